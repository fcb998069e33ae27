"""Owns what a change of a subscription comes to: its lines, what comes back, what is due now and next."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core import clock
from core.money import ZERO, round_money
from invoicing.choices import LineKind
from invoicing.closing.close import compute, select_due
from invoicing.closing.documents import CustomerClose, InvoiceDocument, RatedDocumentLine
from invoicing.closing.manual_lines import RatedManualLine
from invoicing.closing.park_customer import parked_customer
from invoicing.closing.rhythm import rhythm_for
from invoicing.corrections.documents import CreditLine, CreditNoteDocument
from invoicing.models import Invoice
from invoicing.previews.outlook import Outlook
from subscriptions.lifecycle.carry_addons import quantities_from
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line that a change bills now: `amount` is net of tax, negative where something comes back."""

    name: str
    kind: str
    subscription_id: uuid.UUID
    running_number: int
    period_start: datetime
    period_end: datetime
    amount: Decimal
    taxes_total: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What a credit note gives back of one line of the invoice `over`: net, tax and gross, positive."""

    name: str
    over: str
    period_start: datetime
    period_end: datetime
    amount: Decimal
    taxes_total: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class EndedAddOn:
    """An add-on that the subscription had and that the plan which it changes to does not sell: it ends with the change.
    `quantity` is how many of it there were at that time, or were to be."""

    id: uuid.UUID
    name: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What came of a change, or would.

    `credit_amount` is all that comes back, `charge_amount` all that is charged now, both net. `due_now` is what is left
    to pay on the invoice, gross and after the customer's balance; `credit_note_total` (gross) what its charges could
    not take. `due_before` is what is left to pay of what was due without the change; it is billed apart. `next_amount`
    is the gross total at the next billing, with what is known now. `lines` are those of the invoice, `credited` those
    of credit notes, `next_lines` those of the next billing. `ended_addons` do not go over to the successor.

    A preview has an `outlook` on all documents that follow; what is done for later has one up to then. What comes back
    when it takes effect is in `credit_amount` and `credit_note_total`, also where that is later.
    """

    subscription: Subscription
    successor: Subscription | None
    currency: str
    credit_amount: Decimal
    charge_amount: Decimal
    due_now: Decimal
    credit_note_total: Decimal
    next_billing_at: datetime | None
    next_amount: Decimal
    due_before: Decimal = ZERO
    lines: tuple[ChangeLine, ...] = ()
    credited: tuple[CreditedLine, ...] = ()
    invoice_ids: tuple[uuid.UUID, ...] = ()
    next_lines: tuple[ChangeLine, ...] = ()
    ended_addons: tuple[EndedAddOn, ...] = ()
    outlook: Outlook | None = None

    @property
    def changed(self) -> set[uuid.UUID]:
        """The ids of the subscription and of its successor."""
        return {self.subscription.pk} | ({self.successor.pk} if self.successor is not None else set())


def with_outlook(result: ChangeResult, outlook: Outlook, *, effect: datetime) -> ChangeResult:
    """The result of a change that takes effect at `effect`, with what follows from it."""
    net, gross = outlook.coming_back(result.changed, after=clock.now(), until=effect, currency=result.currency)
    return replace(
        result,
        outlook=outlook,
        credit_amount=result.credit_amount + net,
        credit_note_total=result.credit_note_total + gross,
    )


def change_result(
    subscription: Subscription,
    *,
    successor: Subscription | None = None,
    close: CustomerClose | None = None,
    earlier: CustomerClose | None = None,
) -> ChangeResult:
    """What `close` billed because of the change (and `earlier` for what was due before), and what the subscription and
    its successor bill next.

    In the transaction of the change, after the gathering lines were brought up to date.
    """
    changed = {subscription.id} | ({successor.id} if successor is not None else set())
    currency = subscription.currency
    documents = close.invoices if close is not None else []
    notes = close.credit_notes if close is not None else []
    entries: list[RatedDocumentLine | CreditLine] = []
    for document in documents:
        entries += [*document.lines, *document.credits]
    if close is not None:
        # What comes back of a charge that is on a draft, there.
        entries += [credit for _, credit in close.draft_credits]
    back = [entry.amount for entry in entries if isinstance(entry, CreditLine)]
    back += [part.amount for note in notes for part in note.parts]
    charges = [entry for entry in entries if isinstance(entry, RatedDocumentLine)]
    credited = [part.totals()["total"] for note in notes for part in note.parts]
    next_at, upcoming = _next_billing(subscription.customer_id, changed)
    return ChangeResult(
        subscription=Subscription.objects.select_related("plan").get(pk=subscription.pk),
        successor=successor,
        currency=currency,
        credit_amount=round_money(sum(back, ZERO), currency),
        charge_amount=round_money(sum((line.net for line in charges), ZERO), currency),
        due_now=_due(documents, currency),
        credit_note_total=round_money(sum(credited, ZERO), currency),
        next_billing_at=next_at,
        next_amount=round_money(sum((entry.totals()["total"] for entry in upcoming), ZERO), currency),
        due_before=_due(earlier.invoices if earlier is not None else [], currency),
        lines=tuple(_line(entry) for entry in entries if not isinstance(entry, RatedManualLine)),
        credited=_credited(notes),
        invoice_ids=tuple(document.id for document in documents),
        next_lines=tuple(_line(entry) for entry in upcoming),
        ended_addons=_ended_addons(subscription, successor) if successor is not None else (),
    )


def _ended_addons(subscription: Subscription, successor: Subscription) -> tuple[EndedAddOn, ...]:
    kept = set(successor.addons.values_list("addon__key", flat=True))
    ended = subscription.addons.select_related("addon").exclude(addon__key__in=kept).prefetch_related("quantities")
    found = []
    for purchase in ended:
        quantities = quantities_from(purchase, successor.active_from)
        if quantities:
            found.append(EndedAddOn(purchase.pk, purchase.name, quantities[0][1]))
    return tuple(found)


def _due(documents: Sequence[InvoiceDocument], currency: str) -> Decimal:
    """What is left to pay on those of the invoices that are in `currency`."""
    invoices = Invoice.objects.filter(pk__in=[document.id for document in documents], currency=currency)
    return round_money(sum(invoices.values_list("due", flat=True), ZERO), currency)


def _credited(notes: Sequence[CreditNoteDocument]) -> tuple[CreditedLine, ...]:
    numbers = dict(Invoice.objects.filter(pk__in=[n.invoice_id for n in notes]).values_list("pk", "number"))
    return tuple(
        CreditedLine(
            name=part.name,
            over=numbers[note.invoice_id] or "",
            period_start=part.start,
            period_end=part.end,
            amount=part.amount,
            taxes_total=part.totals()["taxes_total"],
            total=part.totals()["total"],
        )
        for note in notes
        for part in note.parts
    )


def _next_billing(
    customer_id: uuid.UUID, changed: Collection[uuid.UUID]
) -> tuple[datetime | None, list[RatedDocumentLine | CreditLine]]:
    """When these subscriptions bill next, and what.

    What a parked customer owes falls due with their release, at the earliest now; nothing is known of it while the
    cause stands.
    """
    upcoming = Subscription.objects.filter(pk__in=changed, next_billing_at__isnull=False)
    at = upcoming.order_by("next_billing_at").values_list("next_billing_at", flat=True).first()
    if at is None:
        return None, []
    at = max(rhythm_for(customer_id).collects(at), clock.now())
    computed = compute([customer_id], as_of=at, select=select_due(at))
    for error in computed.failures.values():
        if parked_customer(customer_id) is None:
            raise error
    # Of these subscriptions, so that no charge by hand is among them.
    entries = (entry for close in computed.closes for entry in close.entries_of(changed))
    return at, [entry for entry in entries if not isinstance(entry, RatedManualLine)]


def _line(entry: RatedDocumentLine | CreditLine) -> ChangeLine:
    totals = entry.totals()
    if isinstance(entry, CreditLine):
        part = entry.unused
        name, kind, item = part.name, LineKind.CREDIT, part.item
        start, end = part.start, part.end
    else:
        planned = entry.planned
        name, item = planned.obligation.revision.name, planned.obligation.item
        kind = LineKind.FLAT if planned.obligation.is_flat else LineKind.USAGE
        start, end = planned.start, planned.end
    return ChangeLine(
        name=name,
        kind=kind.value,
        subscription_id=entry.subscription_id,
        running_number=item.running_number,
        period_start=start,
        period_end=end,
        amount=entry.net,
        taxes_total=totals["taxes_total"],
        total=totals["total"],
    )
