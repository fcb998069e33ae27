"""Owns the documents of a close before they are stored: rated lines, and the standard invoices they go on. No I/O."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.errors import BillingError
from core.ids import new_id
from core.money import ZERO, round_money
from core.periods import parse_duration, zone_info
from invoicing.choices import InvoiceStatus
from invoicing.engine.load import LoadedCustomer
from invoicing.engine.plan import Plan, PlannedLine
from invoicing.engine.quantities import Quantity
from invoicing.errors import CannotBill
from invoicing.rating import Coupon, FlatComponent, RatedLine, RatingInput, rate
from subscriptions.schedule.obligations import coupon_at


@dataclass(slots=True)
class RatedDocumentLine:
    """A planned line with its money."""

    planned: PlannedLine
    id: uuid.UUID
    quantity: Quantity | None
    rated: RatedLine


@dataclass(frozen=True, slots=True)
class Issued:
    """What issuing gives a document."""

    number: str
    issued_at: datetime
    due_at: datetime
    total: Decimal


@dataclass(slots=True)
class InvoiceDocument:
    """A standard invoice: one customer, one currency, one set of frozen terms (billing rules 5)."""

    loaded: LoadedCustomer
    currency: str
    lines: list[RatedDocumentLine]
    id: uuid.UUID = field(default_factory=new_id)
    status: str = InvoiceStatus.DRAFT_CREATED
    collection_at: datetime | None = None
    snapshot_at: datetime | None = None
    draft_until: datetime | None = None
    issued: Issued | None = None

    @property
    def period_start(self) -> datetime:
        return min(line.planned.start for line in self.lines)

    @property
    def period_end(self) -> datetime:
        return max(line.planned.end for line in self.lines)

    @property
    def is_issued(self) -> bool:
        return self.status == InvoiceStatus.ISSUED


@dataclass(slots=True)
class CustomerClose:
    """Everything that a close writes for one customer."""

    loaded: LoadedCustomer
    plan: Plan
    gathering: list[PlannedLine] = field(default_factory=list)
    invoices: list[InvoiceDocument] = field(default_factory=list)
    unreported: list[PlannedLine] = field(default_factory=list)
    redrafted: list[RatedDocumentLine] = field(default_factory=list)
    dropped: list[PlannedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def schedule(self, as_of: datetime) -> dict[uuid.UUID, tuple[datetime | None, datetime]]:
        """By subscription: when it next bills, and from when its lines may differ from what this close has settled."""
        waiting: dict[uuid.UUID, list[PlannedLine]] = {}
        for line in self.gathering:
            waiting.setdefault(line.obligation.subscription.id, []).append(line)
        return {
            subscription.facts.id: (
                min((line.invoice_at for line in waiting.get(subscription.facts.id, ())), default=None),
                min(
                    (line.obligation.start for line in waiting.get(subscription.facts.id, ())),
                    default=subscription.facts.end or as_of,
                ),
            )
            for subscription in self.loaded.subscriptions
        }


def close_customer(
    loaded: LoadedCustomer, plan: Plan, due: Sequence[tuple[PlannedLine, Quantity | None]], as_of: datetime
) -> CustomerClose:
    """The documents for the `due` lines of `plan`, as of `as_of`; whatever else is planned waits.

    BillingError, of whatever kind, means that this customer can't be billed now: nothing of it may be stored.
    """
    close = CustomerClose(loaded, plan)
    taken = {id(line) for line, _ in due}
    close.gathering = [line for line in plan.lines if id(line) not in taken and line.on_draft is None]
    by_currency: dict[str, list[RatedDocumentLine]] = {}
    for line, quantity in due:
        if quantity is not None and quantity.quantity is None:
            close.unreported.append(line)
            close.notes.append(
                f"Item {line.obligation.item.running_number} ({line.obligation.revision.name}): nothing was reported "
                f"for {_span(line)}, so there is nothing to bill."
            )
            continue
        rated = rate_line(line, quantity)
        if rated.rated.net < 0 and line.amends is not None:
            close.dropped.append(line)
            close.notes.append(
                f"Item {line.obligation.item.running_number} ({line.obligation.revision.name}) was billed "
                f"{-rated.rated.net} {line.obligation.subscription.currency} too much for {_span(line)}: "
                "a credit is proposed, not booked."
            )
        elif line.on_draft is not None:
            close.redrafted.append(rated)
        else:
            by_currency.setdefault(line.obligation.subscription.currency, []).append(rated)
    for currency, lines in by_currency.items():
        lines.sort(key=_line_order)
        close.invoices.append(_standard_invoice(loaded, currency, lines, as_of))
    return close


def rate_line(line: PlannedLine, quantity: Quantity | None) -> RatedDocumentLine:
    """One line with its money; `quantity` is that of a usage line, None for a flat fee."""
    revision, currency = line.obligation.revision, line.obligation.subscription.currency
    if revision.price is None:
        raise CannotBill(f"{revision.name} has no price.", code="no_price")
    if quantity is not None and quantity.unreadable:
        raise CannotBill(
            f"{quantity.unreadable} usage events of {revision.name} from {_span(line)} hold no readable value. "
            "Mend the meter's value property, or the events, then release the customer.",
            code="unreadable_events",
        )
    try:
        rated = rate(_rating_input(line, quantity, currency))
    except BillingError as error:
        raise CannotBill(f"{revision.name}: {error.message}", code=error.code) from error
    return RatedDocumentLine(line, line.waiting.id if line.waiting else new_id(), quantity, rated)


def _rating_input(line: PlannedLine, quantity: Quantity | None, currency: str) -> RatingInput:
    obligation, revision = line.obligation, line.obligation.revision
    assert revision.price is not None
    if quantity is None:
        components = tuple(FlatComponent(*component) for component in line.components)
        whole = sum((component.quantity for component in components), ZERO)
        return RatingInput(
            price=revision.price,
            quantity=whole,
            currency=currency,
            discounts=revision.discounts,
            components=components,
            coupon=_coupon(line),
        )
    return RatingInput(
        price=revision.price,
        quantity=quantity.quantity or ZERO,
        currency=currency,
        discounts=revision.discounts,
        fraction=obligation.share,
        event_count=quantity.events,
        coupon=_coupon(line),
    )


def _coupon(line: PlannedLine) -> Coupon | None:
    """The coupon on a line. An amendment that takes something back has none: it corrects, it does not sell."""
    if any(component.quantity < 0 for component in line.components) and line.amends is not None:
        return None
    facts = coupon_at(line.obligation.item, line.start)
    return None if facts is None else Coupon(facts.code, facts.percentage, facts.amount)


def _standard_invoice(
    loaded: LoadedCustomer, currency: str, lines: list[RatedDocumentLine], as_of: datetime
) -> InvoiceDocument:
    """A standard invoice at the step of its life that it reaches at once (billing rules 6)."""
    settings = loaded.terms.settings.values
    document = InvoiceDocument(loaded, currency, lines)
    metered = [line.planned.invoice_at for line in lines if line.quantity is not None]
    interval = parse_duration(settings["collection_interval"])
    document.collection_at = max(as_of, interval.after(max(metered))) if metered else as_of
    document.draft_until = parse_duration(settings["draft_period"]).after(document.collection_at)
    if document.collection_at > as_of:
        document.status = InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION
        return document
    document.snapshot_at = as_of
    document.status = status_after_collection(settings["auto_advance"], document.draft_until, as_of)
    return document


def status_after_collection(auto_advance: bool, draft_until: datetime, as_of: datetime) -> str:
    """Where a draft stands once its quantities are fixed."""
    if not auto_advance:
        return InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED
    return InvoiceStatus.ISSUED if draft_until <= as_of else InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL


def totals_of(rated: Sequence[RatedLine], currency: str) -> dict[str, Decimal]:
    """The totals of lines, each already rounded; tax comes with its own rules."""
    zero = round_money(ZERO, currency)
    amount = sum((line.amount for line in rated), zero)
    charges = sum((line.charges_total for line in rated), zero)
    discounts = sum((line.discounts_total for line in rated), zero)
    return {
        "amount": amount,
        "charges_total": charges,
        "discounts_total": discounts,
        "credits_total": zero,
        "taxes_inclusive_total": zero,
        "taxes_exclusive_total": zero,
        "taxes_total": zero,
        "total": amount + charges - discounts,
    }


def _line_order(line: RatedDocumentLine) -> tuple[Any, ...]:
    obligation = line.planned.obligation
    return (
        obligation.subscription.start,
        obligation.subscription.id,
        obligation.item.running_number,
        line.planned.start,
        line.planned.amends is not None,
    )


def _span(line: PlannedLine) -> str:
    """The service period as people read it, by the subscription's own calendar."""
    zone = zone_info(line.obligation.subscription.zone)
    return f"{line.start.astimezone(zone):%-d %B %Y} to {line.end.astimezone(zone):%-d %B %Y}"
