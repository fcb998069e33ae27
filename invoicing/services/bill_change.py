"""Carries out a change of a subscription with its money: what comes back and what is charged, on one invoice."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.locks import lock_customers
from core.money import ZERO, round_money
from invoicing.choices import LineKind
from invoicing.engine.close import compute, due_by
from invoicing.engine.documents import CreditLine, CustomerClose, RatedDocumentLine
from invoicing.engine.plan import PlannedLine
from invoicing.models import CreditNote, Invoice
from invoicing.services.close_customers import bill_customer
from invoicing.services.collect import collect_invoices
from invoicing.services.refuse_contradiction import refuse_contradiction
from invoicing.services.sync_gathering import sync_customers
from subscriptions.models import Subscription
from subscriptions.timing import Timing, moment_of

# Changes the facts from the given moment on; answers the successor, where there is one.
Change = Callable[[Subscription, datetime], Subscription | None]


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
class ChangeResult:
    """What came of a change, or would.

    `credit_amount` is all that comes back, `charge_amount` all that is charged now, both net. `due_now` is what is left
    to pay on the invoice, gross and after the customer's balance; `credit_note_total` (gross) what its charges could
    not take. `next_amount` is the gross total at the next billing, with what is known now.
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
    lines: tuple[ChangeLine, ...] = ()
    invoice_ids: tuple[uuid.UUID, ...] = ()


def bill_change(*, subscription: Subscription, timing: Timing, change: Change, preview: bool = False) -> ChangeResult:
    """Let `change` happen when `timing` says, and bill what follows from it now; with `preview` leave nothing behind.

    What was due before is billed apart, so that the change's invoice shows the change alone. One transaction, behind
    the customer's lock. ContradictsInvoice (Conflict) for a moment in the past that was billed otherwise; BillingError
    where the change is refused or the customer can't be billed: nothing is changed.
    """
    with transaction.atomic():
        lock_customers([subscription.customer_id])
        subscription = Subscription.objects.get(pk=subscription.pk)
        now = clock.now()
        at = moment_of(timing, subscription=subscription, now=now)
        invoice_ids: list[uuid.UUID] = []
        if subscription.active_from <= at < now:
            refuse_contradiction(subscription=subscription, at=at)
        if at <= now:
            earlier = bill_customer(subscription.customer_id, as_of=now, take=_due_before(subscription.id, at, now))
            invoice_ids += [document.id for document in earlier.invoices]
        successor = change(subscription, at)
        changed = {subscription.id} | ({successor.id} if successor is not None else set())
        close = None
        if at <= now:
            close = bill_customer(
                subscription.customer_id,
                as_of=now,
                take=lambda line: line.invoice_at <= now and line.obligation.subscription.id in changed,
            )
            invoice_ids += [document.id for document in close.invoices]
        sync_customers([subscription.customer_id], as_of=now)
        result = _result(subscription, successor, close, changed)
        if preview:
            transaction.set_rollback(True)
    if not preview:
        collect_invoices(invoice_ids, as_of=now)
    return result


def _due_before(subscription_id: uuid.UUID, at: datetime, now: datetime) -> Callable[[PlannedLine], bool]:
    """Lines of a customer that are due whether or not a subscription changes at `at`: time before it, and fees in
    advance that fell due before it. A period that begins at that very second is not billed only to come back."""

    def take(line: PlannedLine) -> bool:
        if line.invoice_at > now:
            return False
        if line.obligation.subscription.id != subscription_id:
            return True
        return line.end <= at or line.invoice_at < at

    return take


def _result(
    subscription: Subscription, successor: Subscription | None, close: CustomerClose | None, changed: set[uuid.UUID]
) -> ChangeResult:
    currency = subscription.currency
    documents = close.invoices if close is not None else []
    notes = close.credit_notes if close is not None else []
    entries = [entry for document in documents for entry in document.entries]
    back = [*(entry for entry in entries if isinstance(entry, CreditLine)), *(part for n in notes for part in n.parts)]
    charges = [entry for entry in entries if isinstance(entry, RatedDocumentLine)]
    due = Invoice.objects.filter(pk__in=[document.id for document in documents]).values_list("due", flat=True)
    credited = CreditNote.objects.filter(pk__in=[note.id for note in notes]).values_list("total", flat=True)
    next_at, next_amount = _next_billing(subscription.customer_id, changed)
    return ChangeResult(
        subscription=Subscription.objects.select_related("plan").get(pk=subscription.pk),
        successor=successor,
        currency=currency,
        credit_amount=round_money(sum((part.amount for part in back), ZERO), currency),
        charge_amount=round_money(sum((line.net for line in charges), ZERO), currency),
        due_now=round_money(sum(due, ZERO), currency),
        credit_note_total=round_money(sum(credited, ZERO), currency),
        next_billing_at=next_at,
        next_amount=round_money(next_amount, currency),
        lines=tuple(_line(entry) for entry in entries),
        invoice_ids=tuple(document.id for document in documents),
    )


def _next_billing(customer_id: uuid.UUID, changed: Collection[uuid.UUID]) -> tuple[datetime | None, Decimal]:
    """When these subscriptions bill next, and how much, tax included."""
    upcoming = Subscription.objects.filter(pk__in=changed, next_billing_at__isnull=False)
    at = upcoming.order_by("next_billing_at").values_list("next_billing_at", flat=True).first()
    if at is None:
        return None, ZERO
    computed = compute([customer_id], as_of=at, take=due_by(at))
    for error in computed.failures.values():
        raise error
    entries = [entry for close in computed.closes for document in close.invoices for entry in document.entries]
    return at, sum((entry.totals()["total"] for entry in entries if _subscription_of(entry) in changed), ZERO)


def _subscription_of(entry: RatedDocumentLine | CreditLine) -> uuid.UUID:
    if isinstance(entry, CreditLine):
        return entry.unused.subscription.id
    return entry.planned.obligation.subscription.id


def _line(entry: RatedDocumentLine | CreditLine) -> ChangeLine:
    totals = entry.totals()
    if isinstance(entry, CreditLine):
        part = entry.unused
        name, kind, item = f"Unused part: {part.revision.name}", LineKind.CREDIT, part.item
        start, end = part.start, part.end
    else:
        planned = entry.planned
        name, item = planned.obligation.revision.name, planned.obligation.item
        kind = LineKind.FLAT if planned.obligation.is_flat else LineKind.USAGE
        start, end = planned.start, planned.end
    return ChangeLine(
        name=name,
        kind=kind.value,
        subscription_id=_subscription_of(entry),
        running_number=item.running_number,
        period_start=start,
        period_end=end,
        amount=entry.net,
        taxes_total=totals["taxes_total"],
        total=totals["total"],
    )
