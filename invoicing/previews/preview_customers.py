"""Shows what would be billed, by the same computation as the close, writing nothing."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from core.errors import BillingError
from core.money import ONE
from invoicing.closing.close import Computed, compute, select_due
from invoicing.closing.documents import InvoiceDocument, RatedDocumentLine
from invoicing.corrections.credit_tax import tax_credit_notes
from invoicing.corrections.documents import CreditLine, CreditPart
from invoicing.corrections.unused_time import UnusedPart
from invoicing.models import Invoice
from invoicing.money_columns import add_totals
from invoicing.previews.outlook import CREDIT_NOTE, INVOICE


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _PreviewDocument:
    customer_id: uuid.UUID
    currency: str
    lines: tuple[PreviewLine, ...]
    totals: dict[str, Decimal]

    @property
    def total(self) -> Decimal:
        return self.totals["total"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewInvoice(_PreviewDocument):
    """One invoice as it would be made. `totals` has the columns of an invoice's totals."""

    type: ClassVar[str] = INVOICE


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewCreditNote(_PreviewDocument):
    """One credit note as it would be made, over the invoice with the number `over`: all positive. The `id` of a line is
    that of the line that it gives back."""

    type: ClassVar[str] = CREDIT_NOTE

    over: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a close would make, and why it would park whom."""

    invoices: list[PreviewInvoice]
    credit_notes: list[PreviewCreditNote]
    failures: dict[uuid.UUID, BillingError]


def preview_customer(*, customer_id: uuid.UUID, until: datetime) -> list[PreviewInvoice]:
    """The invoices that a close of this customer as of `until` would make now, with the usage known so far.

    BillingError where the close would park the customer.
    """
    return preview_close(customer_id=customer_id, until=until).invoices


def preview_close(*, customer_id: uuid.UUID, until: datetime) -> Previewed:
    """As `preview_customer`, with the credit notes that the same close would make."""
    previewed = preview_closes(customer_ids=[customer_id], until=until)
    for error in previewed.failures.values():
        raise error
    return previewed


def preview_customers(
    *, customer_ids: Collection[uuid.UUID], until: datetime
) -> tuple[list[PreviewInvoice], dict[uuid.UUID, BillingError]]:
    """The invoices that a close of these customers as of `until` would make now, and why it would park whom."""
    previewed = preview_closes(customer_ids=customer_ids, until=until)
    return previewed.invoices, previewed.failures


def preview_closes(*, customer_ids: Collection[uuid.UUID], until: datetime) -> Previewed:
    """As `preview_customers`, with the credit notes that the same close would make."""
    computed = compute(customer_ids, as_of=until, select=select_due(until))
    return Previewed(_invoices(computed), _credit_notes(computed), computed.failures)


def _invoices(computed: Computed) -> list[PreviewInvoice]:
    return [_shown(document) for close in computed.closes for document in close.invoices]


def _credit_notes(computed: Computed) -> list[PreviewCreditNote]:
    """Four queries for any number of notes; none for none."""
    notes = [note for close in computed.closes for note in close.credit_notes]
    if not notes:
        return []
    tax_credit_notes(
        notes,
        beside=[
            (credit, document.is_issued)
            for close in computed.closes
            for document in close.invoices
            for credit in document.credits
        ],
    )
    over = dict(Invoice.objects.filter(pk__in={note.invoice_id for note in notes}).values_list("pk", "number"))
    unused = {
        part.line.id: part
        for close in computed.closes
        for unused_time in close.unused_times
        for part in unused_time.unused
    }
    return [
        PreviewCreditNote(
            customer_id=note.customer_id,
            currency=note.currency,
            over=over[note.invoice_id] or "",
            lines=tuple(_given_back(part, unused[part.line_id]) for part in note.parts),
            totals=add_totals([part.totals() for part in note.parts], note.currency),
        )
        for note in notes
    ]


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


def _given_back(part: CreditPart, unused: UnusedPart) -> PreviewLine:
    return PreviewLine(
        id=part.line_id,
        subscription_id=unused.subscription.id,
        running_number=unused.item.running_number,
        name=part.name,
        period_start=part.start,
        period_end=part.end,
        invoice_at=part.start,
        quantity=ONE,
        totals=part.totals(),
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
