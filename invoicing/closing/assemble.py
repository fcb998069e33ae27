"""Turns a plan and its quantities into documents: rates the due lines, gives back what was unused, works out tax."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.errors import BillingError
from core.ids import new_id
from core.money import ZERO, to_wire
from core.periods import zone_info
from customers.effective_settings import Terms
from invoicing.choices import InvoiceStatus
from invoicing.closing.coupon_moves import CouponMoves
from invoicing.closing.documents import CustomerClose, InvoiceDocument, RatedDocumentLine
from invoicing.closing.late_lines import LateLine
from invoicing.closing.load import LoadedCustomer
from invoicing.closing.manual_lines import ManualLine, RatedManualLine, rate_manual
from invoicing.closing.plan import Plan, PlannedLine
from invoicing.closing.quantities import Quantity, WindowKey
from invoicing.closing.taxation import find_tax_terms, tax_document
from invoicing.corrections.creditable_amount import CreditableAmount
from invoicing.corrections.documents import CreditLine, CreditNoteDocument, CreditPart
from invoicing.corrections.unused_time import UnusedPart, UnusedTime
from invoicing.errors import CannotBill
from invoicing.lifecycle.bounds import beyond_limit, refuse_beyond
from invoicing.lifecycle.draft_steps import collected_at, collection_at, draft_until, status_after_collection
from invoicing.lifecycle.issue_dates import IssueDates, tax_point
from invoicing.rating import RatedLine, RatingInput, rate
from invoicing.rating.coupon_on_part import coupon_on, coupon_on_group, left_of
from invoicing.rating.prorated_fee import rate_fee
from invoicing.tax import TaxTerms
from subscriptions.pricing import DimensionalPrice
from subscriptions.schedule.facts import SubscriptionFacts

UnusedSelector = Callable[[UnusedTime], bool]

# What lines have in common that share an invoice: the currency, and the terms (billing rules 5).
_Key = tuple[str, int]


def close_customer(
    loaded: LoadedCustomer,
    plan: Plan,
    due: Sequence[tuple[PlannedLine, Quantity | None]],
    by_hand: Sequence[ManualLine] = (),
    *,
    as_of: datetime,
    made_at: datetime,
    issue_dates: IssueDates,
    give_back: UnusedSelector,
    late: Callable[[LateLine], bool],
) -> CustomerClose:
    """The documents for the `due` lines of `plan`, as of `as_of`, and for the charges `by_hand`; whatever else is
    planned, or was added by hand, waits.

    They are made at `made_at`, which counts for all that follows from their making: when they are collected, reviewed
    and issued, and the tax of what is billed in advance, unless `issue_dates` has a later date for the supplier. A run
    that is worked late backdates nothing.

    Those unused parts of fees billed in advance that `give_back` chooses come back, on the same invoice as far as its
    charges go, the rest by credit note (billing rules 10). Of the adjustments for late usage those go along that `late`
    chooses. BillingError, of whatever kind, means that this customer
    can't be billed now: nothing of it may be stored.
    """
    close = CustomerClose(loaded, plan)
    taken = {id(line) for line, _ in due}
    close.gathering = [line for line in plan.lines if id(line) not in taken and line.on_draft is None]
    by_document: dict[_Key, list[RatedDocumentLine]] = {}
    terms: dict[_Key, Terms] = {}
    rated_before: dict[WindowKey, RatedLine] = {}
    # In order of time: a minimum or a maximum asks what the period's earlier windows came to, also in this very close,
    # and a coupon whether it had anything to take off in them.
    coupons = CouponMoves(loaded.subscriptions)
    for line, quantity in sorted(due, key=lambda each: each[0].obligation.start):
        coupons.bring_up_to_date(line)
        if quantity is not None and quantity.quantity is None and _can_still_be_reported(loaded, line, made_at):
            quantity = quantity._replace(quantity=ZERO)
        if quantity is not None and quantity.quantity is None:
            coupons.rated(line, is_reduced=False)
            close.unreported.append(line)
            close.notes.append(f"{_what(line)}: nothing was reported for {_span(line)}, so there is nothing to bill.")
            continue
        rated = rate_line(line, None if quantity is None else quantity.after(rated_before))
        rated_before[line.obligation.key] = rated.rated
        if line.amends is None:
            coupons.rated(line, is_reduced=bool(rated.rated.coupon_used))
        if rated.net < 0 and line.amends is not None:
            close.dropped.append(line)
            close.notes.append(
                f"{_what(line)} was billed {to_wire(-rated.net)} {line.obligation.subscription.currency} too much for "
                f"{_span(line)}: a credit is proposed, not booked."
            )
        elif line.on_draft is not None:
            close.redrafted.append(rated)
        else:
            key = _key(loaded, line.obligation.subscription)
            terms[key] = loaded.terms_for(line.obligation.subscription.id)
            by_document.setdefault(key, []).append(rated)
    close.coupons = list(coupons.changed.values())
    added = _rate_by_hand(loaded, by_hand, by_document, terms)
    close.manual = [line for line in loaded.manual if line not in by_hand]
    adjustments: dict[_Key, list[LateLine]] = {}
    for waiting in loaded.late:
        if not late(waiting):
            close.late.append(waiting)
            continue
        terms_of_it = loaded.terms_for(waiting.subscription_id)
        key = (waiting.currency, id(terms_of_it))
        terms[key] = terms_of_it
        by_document.setdefault(key, [])
        adjustments.setdefault(key, []).append(waiting)
    documents: dict[_Key, InvoiceDocument] = {}
    for key, lines in by_document.items():
        lines.sort(key=_line_order)
        documents[key] = _standard_invoice(
            loaded, key[0], lines, added.get(key, []), adjustments.get(key, []), terms[key], made_at
        )
    close.invoices = list(documents.values())
    for document in close.invoices:
        find_tax_terms(document, tax_point(issue_dates, document.terms.profile.supplier_id, made_at))
    close.unused_times = [unused_time for unused_time in plan.unused_times if give_back(unused_time)]
    if close.unused_times:
        _give_back(close, documents)
    for document in close.invoices:
        tax_document(document)
    _refuse_beyond_limits(close)
    return close


def _rate_by_hand(
    loaded: LoadedCustomer,
    by_hand: Sequence[ManualLine],
    by_document: dict[_Key, list[RatedDocumentLine]],
    terms: dict[_Key, Terms],
) -> dict[_Key, list[RatedManualLine]]:
    """What was charged by hand, rated, by the document that it goes on: that of the customer's own terms, which is made
    where there is none."""
    added: dict[_Key, list[RatedManualLine]] = defaultdict(list)
    for line in by_hand:
        key = (line.currency, id(loaded.terms))
        terms[key] = loaded.terms
        by_document.setdefault(key, [])
        added[key].append(rate_manual(line))
    return added


def _refuse_beyond_limits(close: CustomerClose) -> None:
    """CannotBill where a document as a whole is too large to be right, though none of its lines is."""
    for document in close.invoices:
        refuse_beyond(
            "The invoice",
            document.totals().values(),
            document.currency,
            otherwise="correct the prices or quantities of the subscriptions, then release the customer.",
        )
    for note in close.credit_notes:
        refuse_beyond(
            "A credit note",
            [sum((part.amount for part in note.parts), ZERO)],
            note.currency,
            otherwise="correct what it gives back, then release the customer.",
        )


def _can_still_be_reported(loaded: LoadedCustomer, line: PlannedLine, made_at: datetime) -> bool:
    """Whether the line's period is over but its quantities are collected later: until then a draft holds its place."""
    interval = loaded.terms_for(line.obligation.subscription.id).settings.values["collection_interval"]
    return line.invoice_at <= made_at < collected_at(line.invoice_at, interval)


def rate_line(line: PlannedLine, quantity: Quantity | None) -> RatedDocumentLine:
    """One line with its money, in the currency of its subscription; `quantity` is that of a usage line, None for a flat
    fee (billing rules 3). CannotBill where it has no price, or its usage can't be read."""
    revision = line.obligation.revision
    if revision.price is None:
        raise CannotBill(f"{revision.name} has no price.", code="no_price")
    if isinstance(revision.price, DimensionalPrice):
        raise CannotBill(
            f"{revision.name} is priced by the rate card of its meter, which has none. "
            "Give the item another price, then release the customer.",
            code="no_rate_card",
        )
    if quantity is not None and quantity.unreadable:
        raise CannotBill(
            f"{quantity.unreadable} usage events of {revision.name} from {_span(line)} hold no readable value. "
            f"Edit the subscription with effect from {line.start:%Y-%m-%d %H:%M} UTC, to a feature whose meter can "
            "read them, then release the customer.",
            code="unreadable_events",
        )
    try:
        rated = _rated(line, quantity)
    except BillingError as error:
        raise CannotBill(f"{revision.name}: {error.message}", code=error.code) from error
    except ArithmeticError as error:
        raise CannotBill(
            f"The quantity of {revision.name} for {_span(line)} has more digits than can be reckoned with. Nothing was "
            f"billed. {_another_price(line)}",
            code="beyond_limit",
        ) from error
    amounts, currency = (
        (rated.amount, rated.charges_total, rated.discounts_total),
        line.obligation.subscription.currency,
    )
    # To write the words takes longer than to look: only where they are needed.
    if beyond_limit(amounts, currency) is not None:
        refuse_beyond(
            f"{revision.name} for {_span(line)}",
            amounts,
            currency,
            otherwise=f"correct its price or its quantity. {_another_price(line)}",
        )
    return RatedDocumentLine(line, line.waiting.id if line.waiting else new_id(), quantity, rated)


def _another_price(line: PlannedLine) -> str:
    return f"Edit the subscription with effect from {line.start:%Y-%m-%d %H:%M} UTC, then release the customer."


def _rated(line: PlannedLine, quantity: Quantity | None) -> RatedLine:
    obligation, revision = line.obligation, line.obligation.revision
    sub = obligation.subscription
    if obligation.group is None or quantity is None:
        coupon = coupon_on(sub, obligation.item, revision, obligation.start, obligation.end)
    else:
        whole = obligation.group
        coupon = coupon_on_group(sub, obligation.item, revision, whole, obligation.start, quantity.earlier_coupon)
    if quantity is None:
        return rate_fee(sub, revision, line.components, left_of(coupon, sub, revision, line.billed))
    assert revision.price is not None
    return rate(
        RatingInput(
            price=revision.price,
            quantity=quantity.quantity or ZERO,
            currency=sub.currency,
            pre_quantity=quantity.earlier,
            discounts=revision.discounts,
            fraction=obligation.share,
            is_first_split=not obligation.earlier,
            is_last_split=obligation.closes,
            previously_billed_net=quantity.earlier_net,
            event_count=quantity.events,
            coupon=coupon,
        )
    )


def _key(loaded: LoadedCustomer, subscription: SubscriptionFacts) -> _Key:
    return (subscription.currency, id(loaded.terms_for(subscription.id)))


def _standard_invoice(
    loaded: LoadedCustomer,
    currency: str,
    lines: list[RatedDocumentLine],
    by_hand: list[RatedManualLine],
    late: list[LateLine],
    terms: Terms,
    made_at: datetime,
) -> InvoiceDocument:
    """A standard invoice at the step of its life that it reaches at once (billing rules 6)."""
    settings = terms.settings.values
    document = InvoiceDocument(loaded, currency, lines, terms, by_hand, late=late)
    metered = [line.planned.invoice_at for line in lines if line.quantity is not None]
    # Not before what came first in its periods: who comes later knows what free units and tiers are left.
    before = (line.quantity.earlier_until for line in lines if line.quantity is not None)
    own = collection_at(metered, settings["collection_interval"], made_at=made_at)
    document.collection_at = max([own, *(moment for moment in before if moment is not None)])
    document.draft_until = draft_until(document.collection_at, settings["draft_period"])
    if document.collection_at > made_at:
        document.status = InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION
        return document
    document.snapshot_at = made_at
    document.status = status_after_collection(settings["auto_advance"], document.draft_until, made_at)
    return document


def _give_back(close: CustomerClose, documents: Mapping[_Key, InvoiceDocument]) -> None:
    """Put unused parts on the invoices of the same terms, as far as their charges go, and the rest on credit notes.
    What was charged on a draft comes back on that draft."""
    room = {key: CreditableAmount.of(_certain(document), key[0]) for key, document in documents.items()}
    notes: dict[tuple[uuid.UUID, str], list[CreditPart]] = defaultdict(list)
    for part in _unused(close.unused_times):
        if part.line.on_draft:
            close.draft_credits.append((part.line.invoice_id, CreditLine(part, part.amount)))
            continue
        key = _key(close.loaded, part.subscription)
        here = room[key].take(part.amount, part.line.tax) if key in room else ZERO
        if here > 0:
            documents[key].credits.append(CreditLine(part, here))
        if here < part.amount:
            notes[(part.line.invoice_id, part.subscription.currency)].append(CreditPart.of(part, part.amount - here))
    close.credit_notes = [
        CreditNoteDocument(close.loaded.id, currency, invoice_id, parts)
        for (invoice_id, currency), parts in notes.items()
    ]


def _certain(document: InvoiceDocument) -> list[tuple[Decimal, TaxTerms | None]]:
    """Charges that can take a credit. Usage that is not collected yet may still fall."""
    certain = [line for line in document.lines if document.snapshot_at or line.quantity is None]
    found = [(line.net, line.tax_terms) for line in certain]
    found += [(charge.net, charge.tax_terms) for charge in document.manual]
    return found + [(line.net, line.tax_terms) for line in document.late]


def _unused(unused_times: Sequence[UnusedTime]) -> list[UnusedPart]:
    parts = [part for unused_time in unused_times for part in unused_time.unused]
    return sorted(parts, key=lambda part: (part.start, part.item.running_number, part.line.id))


def _line_order(line: RatedDocumentLine) -> tuple[Any, ...]:
    obligation = line.planned.obligation
    return (
        obligation.subscription.start,
        obligation.subscription.id,
        obligation.item.running_number,
        line.planned.start,
        line.planned.amends is not None,
    )


def _what(line: PlannedLine) -> str:
    return f"Item {line.obligation.item.running_number} ({line.obligation.revision.name})"


def _span(line: PlannedLine) -> str:
    """The service period as people read it, by the subscription's own calendar."""
    zone = zone_info(line.obligation.subscription.zone)
    return f"{line.start.astimezone(zone):%-d %B %Y} to {line.end.astimezone(zone):%-d %B %Y}"
