"""Shows what would be billed, by the same computation as the close, writing nothing."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.errors import BillingError
from core.money import ONE
from invoicing.engine.close import compute, due_by
from invoicing.engine.documents import CreditLine, InvoiceDocument, RatedDocumentLine


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line as it would be billed. `id` is that of the gathering line, which the billed line keeps; `totals` has the
    columns of a line's totals. A credit for an unused part is a line, too."""

    id: uuid.UUID
    subscription_id: uuid.UUID
    running_number: int
    name: str
    period_start: datetime
    period_end: datetime
    invoice_at: datetime
    quantity: Decimal
    totals: dict[str, Decimal]


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
    invoices, failures = preview_customers(customer_ids=[customer_id], until=until)
    for error in failures.values():
        raise error
    return invoices


def preview_customers(
    *, customer_ids: Collection[uuid.UUID], until: datetime
) -> tuple[list[PreviewInvoice], dict[uuid.UUID, BillingError]]:
    """The invoices that a close of these customers as of `until` would make now, and why it would park whom."""
    computed = compute(customer_ids, as_of=until, take=due_by(until))
    return [_shown(document) for close in computed.closes for document in close.invoices], computed.failures


def _shown(document: InvoiceDocument) -> PreviewInvoice:
    return PreviewInvoice(
        customer_id=document.loaded.id,
        currency=document.currency,
        lines=(*map(_charge, document.lines), *map(_credit, document.credits)),
        totals=document.totals(),
    )


def _charge(line: RatedDocumentLine) -> PreviewLine:
    planned, obligation = line.planned, line.planned.obligation
    return PreviewLine(
        id=line.id,
        subscription_id=obligation.subscription.id,
        running_number=obligation.item.running_number,
        name=obligation.revision.name,
        period_start=planned.start,
        period_end=planned.end,
        invoice_at=planned.invoice_at,
        quantity=line.rated.quantity,
        totals=line.totals(),
    )


def _credit(credit: CreditLine) -> PreviewLine:
    unused = credit.unused
    return PreviewLine(
        id=credit.id,
        subscription_id=unused.subscription.id,
        running_number=unused.item.running_number,
        name=unused.name,
        period_start=unused.start,
        period_end=unused.end,
        invoice_at=unused.start,
        quantity=ONE,
        totals=credit.totals(),
    )
