"""Shows what would be billed, by the same computation as the close, writing nothing."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from invoicing.engine.close import compute, due_by
from invoicing.engine.documents import InvoiceDocument, RatedDocumentLine, totals_of
from invoicing.engine.plan import PlannedLine
from invoicing.models import InvoiceLine
from invoicing.rating import RatedLine


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line as it would be billed. `id` is that of the gathering line, which the billed line keeps."""

    id: uuid.UUID
    subscription_id: uuid.UUID
    item_id: uuid.UUID
    running_number: int
    name: str
    period_start: datetime
    period_end: datetime
    invoice_at: datetime
    rated: RatedLine


@dataclass(frozen=True, slots=True)
class PreviewInvoice:
    """One invoice as it would be made. `totals` has the columns of an invoice's totals."""

    customer_id: uuid.UUID
    currency: str
    lines: tuple[PreviewLine, ...]
    totals: dict[str, Decimal]

    @property
    def total(self) -> Decimal:
        return self.totals["total"]


def preview_customer(*, customer_id: uuid.UUID, until: datetime) -> list[PreviewInvoice]:
    """The invoices that a close of this customer as of `until` would make now, with the usage known so far.

    BillingError where the close would park the customer.
    """
    computed = compute([customer_id], as_of=until, take=due_by(until))
    for error in computed.failures.values():
        raise error
    return [_shown(document) for close in computed.closes for document in close.invoices]


def rate_gathering(*, customer_ids: Collection[uuid.UUID], as_of: datetime) -> dict[uuid.UUID, RatedLine]:
    """What every waiting line of these customers comes to as of `as_of`, by line id: the live gathering invoices.

    Lines of customers who can't be billed, and of items for which nothing was reported, are left out. A constant
    number of queries for any number of customers.
    """
    computed = compute(customer_ids, as_of=as_of, take=_everything)
    return {
        line.id: line.rated
        for close in computed.closes
        for document in close.invoices
        for line in document.lines
        if line.planned.waiting is not None
    }


def live_line_columns(line: InvoiceLine, rated: RatedLine | None) -> dict[str, Any]:
    """The money columns of a gathering line as they would be stored if it were billed now."""
    if rated is None:
        return {}
    return totals_of([rated], line.currency) | {"quantity": rated.quantity, "explain": rated.explain}


def _everything(line: PlannedLine) -> bool:
    return True


def _shown(document: InvoiceDocument) -> PreviewInvoice:
    return PreviewInvoice(
        customer_id=document.loaded.id,
        currency=document.currency,
        lines=tuple(_shown_line(line) for line in document.lines),
        totals=totals_of([line.rated for line in document.lines], document.currency),
    )


def _shown_line(line: RatedDocumentLine) -> PreviewLine:
    planned = line.planned
    return PreviewLine(
        id=line.id,
        subscription_id=planned.obligation.subscription.id,
        item_id=planned.obligation.item.id,
        running_number=planned.obligation.item.running_number,
        name=planned.obligation.revision.name,
        period_start=planned.start,
        period_end=planned.end,
        invoice_at=planned.invoice_at,
        rated=line.rated,
    )
