"""Voids an issued invoice and bills its periods at once, by the facts as they are now (billing rules 6)."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.errors import InvalidInput
from core.locks import lock_customers
from core.money import ZERO
from customers.effective_settings import terms_of
from invoicing.choices import InvoiceStatus, LineKind, LineManagedBy, LineStatus
from invoicing.closing.close_customers import bill_customer
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.plan import PlannedLine
from invoicing.issued.late_usage_again import bill_again, usage_billed_by
from invoicing.issued.void_invoice import tell, void_locked
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import CreditNote, Invoice, InvoiceLine
from invoicing.payments.collect import collect_invoices

_Key = tuple[uuid.UUID | str, datetime, bool]


@dataclass(frozen=True, slots=True)
class ReissuedLine:
    """What one charge came to and comes to now, net; zero where it is on one of the two only."""

    name: str
    start: datetime
    end: datetime
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Reissued:
    """The voided invoice, what replaces it, the credit notes that give what it gave back of earlier invoices, and the
    difference by line."""

    voided: Invoice
    replacement: Invoice
    notes: tuple[CreditNote, ...]
    lines: tuple[ReissuedLine, ...]


def reissue_invoice(*, invoice: Invoice, reason: str, preview: bool = False) -> Reissued:
    """Void `invoice`, and bill what it had billed at once on another one, which names it; both or nothing.

    The replacement is issued, or a draft where the customer's settings say so. It takes what the voided one gave back
    to the customer's balance. WrongInvoiceState as for a void, CustomerParked for a parked customer, InvalidInput
    without a reason, or where nothing would be billed. None changes anything. With `preview`, all is undone again.
    """
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([invoice.customer_id])
        reissued = reissue_locked(invoice, reason)
        if preview:
            transaction.set_rollback(True)
    if not preview:
        collect_invoices([reissued.replacement.pk], as_of=clock.now())
        reissued.replacement.refresh_from_db()
    return reissued


def reissue_locked(invoice: Invoice, reason: str) -> Reissued:
    """As `reissue_invoice`, in the caller's transaction, which holds the customer's lock and has the replacement
    collected once it ends. It raises as `reissue_invoice`: InvalidInput, WrongInvoiceState, CustomerParked."""
    now, supplier_id = clock.now(), terms_of([invoice.customer_id])[invoice.customer_id].profile.supplier_id
    waited, usage = _waiting_by_hand(invoice), usage_billed_by(invoice)
    voided = void_locked(invoice, rebill=True, reason=reason, lines={}, billed_by={supplier_id} if supplier_id else ())
    spans, again = _spans(voided.invoice), _waiting_by_hand(invoice) - waited

    def select(line: PlannedLine | ManualLine) -> bool:
        if isinstance(line, ManualLine):
            return line.id in again
        mine = spans.get(line.obligation.item.id, ())
        return line.invoice_at <= now and any(start <= line.start < end or line.start == start for start, end in mine)

    late = bill_again(invoice.customer_id, usage, now=now, reason=reason)
    documents = bill_customer(
        invoice.customer_id, as_of=now, select=select, late=lambda line: line.id in late, replaces=invoice.pk
    ).invoices
    if not documents:
        raise InvalidInput(
            f"Nothing would be billed instead of {voided.invoice}: what it bills is not owed any more, or not yet. "
            "Void it without a replacement. Nothing was changed.",
            code="nothing_to_invoice",
        )
    replacement = Invoice.objects.select_related("customer").get(pk=documents[0].id)
    tell(voided.invoice, f", and reissued it as {replacement.number or 'a draft'}", reason)
    return Reissued(voided.invoice, replacement, voided.notes, tuple(compare_lines(voided.invoice, replacement)))


def _spans(invoice: Invoice) -> Mapping[uuid.UUID, Sequence[tuple[datetime, datetime]]]:
    """The times of each item that `invoice` billed, also where nothing was reported for it: such has no line left."""
    spans: dict[uuid.UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    # A line that was split stands for its whole period, of which this invoice may bill a part.
    charges = InvoiceLine.objects.filter(invoice=invoice, item__isnull=False, status=LineStatus.VALID)
    charges = charges.exclude(kind=LineKind.CREDIT).order_by()
    for item_id, start, end in charges.values_list("item_id", "period_start", "period_end"):
        spans[item_id].append((start, end))
    return spans


def _waiting_by_hand(invoice: Invoice) -> set[uuid.UUID]:
    """What was charged by hand and waits on the customer's gathering invoice."""
    waiting = InvoiceLine.objects.counted().filter(
        invoice__customer_id=invoice.customer_id,
        invoice__currency=invoice.currency,
        invoice__status=InvoiceStatus.GATHERING,
        managed_by=LineManagedBy.MANUAL,
    )
    return set(waiting.order_by().values_list("pk", flat=True))


def compare_lines(before: Invoice, after: Invoice) -> list[ReissuedLine]:
    """The lines of two invoices side by side, in the order of the first: charges of one item for one time are one.
    Two queries."""
    found: dict[_Key, ReissuedLine] = {}
    for invoice, is_after in ((before, False), (after, True)):
        for line in InvoiceLine.objects.counted().filter(invoice=invoice).order_by("position", "id"):
            net = line.amount + line.charges_total - line.discounts_total
            key: _Key = (line.item_id or line.name, line.period_start, line.kind == LineKind.CREDIT)
            known = found.get(key)
            was, becomes = (known.before, known.after) if known is not None else (ZERO, ZERO)
            sums = (was, becomes + net) if is_after else (was + net, becomes)
            found[key] = ReissuedLine(line.name, line.period_start, line.period_end, *sums)
    return list(found.values())
