"""Owns the documents of a close before they are stored: rated lines, invoices, credit notes. No I/O."""

import uuid
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.ids import new_id
from core.money import ZERO
from customers.effective_settings import Terms
from invoicing.choices import InvoiceStatus
from invoicing.closing.late_lines import LateLine
from invoicing.closing.load import LoadedCustomer
from invoicing.closing.manual_lines import ManualLine, RatedManualLine
from invoicing.closing.plan import Plan, PlannedLine
from invoicing.closing.quantities import Quantity
from invoicing.corrections.documents import CreditLine, CreditNoteDocument
from invoicing.corrections.unused_time import UnusedTime
from invoicing.money_columns import Totals, add_totals, line_totals
from invoicing.rating import RatedLine
from invoicing.tax import LineTax, TaxTerms
from subscriptions.schedule import CouponFacts


@dataclass(slots=True)
class RatedDocumentLine:
    """A planned line with its money; `tax` is worked out for the invoice as a whole."""

    planned: PlannedLine
    id: uuid.UUID
    quantity: Quantity | None
    rated: RatedLine
    tax_terms: TaxTerms | None = None
    tax: LineTax | None = None

    @property
    def subscription_id(self) -> uuid.UUID:
        return self.planned.obligation.subscription.id

    @property
    def start(self) -> datetime:
        return self.planned.start

    @property
    def end(self) -> datetime:
        return self.planned.end

    @property
    def net(self) -> Decimal:
        return self.rated.net

    @property
    def is_to_compare(self) -> bool:
        """Whether its period is to be compared with what was billed, though nothing has come in since: what came before
        it was billed for more, or it is a part, which may have taken up what was."""
        return self.quantity is not None and (self.quantity.shortfall > 0 or self.planned.obligation.group is not None)

    def totals(self) -> Totals:
        """The money columns of the line."""
        return line_totals(self.rated.amount, self.rated.charges_total, self.rated.discounts_total, self.tax)


Entry = RatedDocumentLine | RatedManualLine | LateLine | CreditLine
"""A line of a document, of whatever kind."""


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
    terms: Terms
    manual: list[RatedManualLine] = field(default_factory=list)
    credits: list[CreditLine] = field(default_factory=list)
    late: list[LateLine] = field(default_factory=list)
    id: uuid.UUID = field(default_factory=new_id)
    status: str = InvoiceStatus.DRAFT_CREATED
    collection_at: datetime | None = None
    snapshot_at: datetime | None = None
    draft_until: datetime | None = None
    issued: Issued | None = None
    replaces: uuid.UUID | None = None

    @property
    def charges(self) -> list[RatedDocumentLine | RatedManualLine | LateLine]:
        """What is charged: what subscriptions owe first, then what was added by hand, then what came late."""
        return [*self.lines, *self.manual, *self.late]

    @property
    def entries(self) -> list["Entry"]:
        """All lines, charges first."""
        return [*self.charges, *self.credits]

    @property
    def period_start(self) -> datetime:
        return min(charge.start for charge in self.charges)

    @property
    def period_end(self) -> datetime:
        return max(charge.end for charge in self.charges)

    @property
    def is_issued(self) -> bool:
        return self.status == InvoiceStatus.ISSUED

    def totals(self) -> Totals:
        """The money columns of the invoice: the sums of its lines', each already rounded."""
        return add_totals([entry.totals() for entry in self.entries], self.currency)


@dataclass(slots=True)
class CustomerClose:
    """Everything that a close writes for one customer."""

    loaded: LoadedCustomer
    plan: Plan
    gathering: list[PlannedLine] = field(default_factory=list)
    # Charges by hand that wait on.
    manual: list[ManualLine] = field(default_factory=list)
    invoices: list[InvoiceDocument] = field(default_factory=list)
    credit_notes: list[CreditNoteDocument] = field(default_factory=list)
    # Credits for charges that are on drafts themselves, with the draft that each goes on.
    draft_credits: list[tuple[uuid.UUID, CreditLine]] = field(default_factory=list)
    unused_times: list[UnusedTime] = field(default_factory=list)
    unreported: list[PlannedLine] = field(default_factory=list)
    redrafted: list[RatedDocumentLine] = field(default_factory=list)
    dropped: list[PlannedLine] = field(default_factory=list)
    # Redemptions with billed time in which they had nothing to take off, and with their ends as those are now.
    coupons: list[CouponFacts] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Adjustments for late usage that wait on.
    late: list[LateLine] = field(default_factory=list)

    def entries_of(self, subscription_ids: Container[uuid.UUID]) -> list[RatedDocumentLine | CreditLine]:
        """The lines of these subscriptions on the invoices, and what comes back there; adjustments for late usage are
        not theirs alone."""
        entries: list[RatedDocumentLine | CreditLine] = []
        for document in self.invoices:
            entries += [*document.lines, *document.credits]
        return [entry for entry in entries if entry.subscription_id in subscription_ids]

    def gross_of(self, subscription_ids: Container[uuid.UUID]) -> Decimal:
        """What these subscriptions come to on the invoices, tax included, less what comes back there."""
        return sum((entry.totals()["total"] for entry in self.entries_of(subscription_ids)), ZERO)

    def schedule(self, as_of: datetime) -> dict[uuid.UUID, tuple[datetime | None, datetime]]:
        """By subscription: when what it bills next falls due, and from when its lines may differ from what this close
        has settled."""
        moments: dict[uuid.UUID, list[datetime]] = {}
        starts: dict[uuid.UUID, list[datetime]] = {}
        for subscription_id, moment, start in self._waits():
            moments.setdefault(subscription_id, []).append(moment)
            starts.setdefault(subscription_id, []).append(start)
        return {
            subscription.facts.id: (
                min(moments.get(subscription.facts.id, ()), default=None),
                min(starts.get(subscription.facts.id, ()), default=subscription.facts.end or as_of),
            )
            for subscription in self.loaded.subscriptions
        }

    def due_times(self, as_of: datetime) -> dict[str, datetime]:
        """By currency: when the customer has to be looked at again, after a close as of `as_of`. That is when the next
        line falls due (the one after it begins to wait then, so that gathering invoices are always current), or when
        what has fallen due is collected."""
        currencies = {subscription.facts.id: subscription.facts.currency for subscription in self.loaded.subscriptions}
        due: dict[str, datetime] = {}
        for subscription_id, moment, _ in self._waits():
            at = moment if moment > as_of else self.loaded.collects(subscription_id, moment)
            currency = currencies[subscription_id]
            due[currency] = min(due.get(currency, at), at)
        for line in self.manual:
            at = line.invoice_at if line.invoice_at > as_of else line.collect_at
            due[line.currency] = min(due.get(line.currency, at), at)
        for late in self.late:
            # With what waits beside it, which has its time already.
            due.setdefault(late.currency, late.collect_at)
        return due

    def _waits(self) -> Iterator[tuple[uuid.UUID, datetime, datetime]]:
        """What this close leaves for later: of which subscription, when it falls due, and from when its time is."""
        for line in self.gathering:
            yield line.obligation.subscription.id, line.invoice_at, line.obligation.start
        yield from self.plan.wakes
        taken = {id(unused_time) for unused_time in self.unused_times}
        for unused_time in self.plan.unused_times:
            if id(unused_time) not in taken:
                yield unused_time.subscription.id, unused_time.due_at, unused_time.billed.start
