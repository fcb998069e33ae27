"""Shows gathering invoices as they would be now: lines rated, supplier and settings in force. Writes nothing."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core import clock
from core.money import ZERO, round_money
from customers.attribution import Attribution
from customers.effective_settings import Terms, terms_of
from customers.models import Customer
from invoicing.choices import InvoiceStatus
from invoicing.closing.close import compute, late_all
from invoicing.closing.documents import RatedDocumentLine
from invoicing.closing.late_lines import LateLine
from invoicing.closing.manual_lines import RatedManualLine, manual_columns, manual_details
from invoicing.closing.rows import detail_rows, rated_columns
from invoicing.lifecycle.snapshots import customer_snapshot, supplier_snapshot, workflow_snapshot
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine
from invoicing.money_columns import add_totals

_Rated = RatedDocumentLine | RatedManualLine | LateLine


def show_live(invoices: Sequence[Invoice]) -> None:
    """Fill in, in memory, what the gathering invoices among `invoices` come to now (billing rules 5 and 6).

    Usage of open periods counts up to now. What is for periods that have not begun is owed by nobody yet, and in no
    total: `begins_later` says, beside it, what that comes to. A customer who can't be billed now has the cause in
    `status_note`, and no amounts. The number of queries does not depend on the number of invoices; none where
    nothing is gathering.
    """
    gathering = [invoice for invoice in invoices if invoice.status == InvoiceStatus.GATHERING]
    if not gathering:
        return
    now = clock.now()
    computed = compute(
        {invoice.customer_id for invoice in gathering}, as_of=now, select=lambda line: True, late=late_all
    )
    rated: dict[uuid.UUID, list[_Rated]] = {}
    for close in computed.closes:
        for document in close.invoices:
            for line in document.lines:
                waiting = line.planned.waiting
                if waiting is not None:
                    rated.setdefault(waiting.invoice_id, []).append(line)
            for charge in document.manual:
                rated.setdefault(charge.manual.invoice_id, []).append(charge)
            for adjustment in document.late:
                rated.setdefault(adjustment.gathering_id, []).append(adjustment)
    loaded = {close.loaded.id: close.loaded for close in computed.closes}
    failed = [invoice.customer_id for invoice in gathering if invoice.customer_id not in loaded]
    fallback = _failed_customers(failed) if failed else {}
    for invoice in gathering:
        mine = loaded.get(invoice.customer_id)
        if mine is not None:
            apply_terms(invoice, mine.terms, mine.customer, mine.subjects)
        else:
            apply_terms(invoice, *fallback[invoice.customer_id])
            invoice.status_note = computed.failures[invoice.customer_id].message
        _fill(invoice, rated.get(invoice.id, []), now)


def apply_terms(invoice: Invoice, terms: Terms, customer: Customer, subjects: tuple[Attribution, ...]) -> None:
    """Give `invoice`, in memory, the supplier, customer and settings that would be frozen if it were made now."""
    invoice.profile, invoice.app = terms.profile, terms.profile.app
    invoice.supplier_snapshot = supplier_snapshot(terms.profile.supplier)
    invoice.customer_snapshot = customer_snapshot(customer, subjects)
    invoice.workflow_snapshot = workflow_snapshot(terms)
    invoice.collection_method = terms.settings.values["collection_method"]


def set_columns(row: Any, columns: dict[str, Any]) -> None:
    """Set the attributes of a model instance from a row of columns."""
    for name, value in columns.items():
        setattr(row, name, value)


def _fill(invoice: Invoice, lines: list[_Rated], now: datetime) -> None:
    # Of the lines' own totals, tax included: an invoice adds up by what is printed on it.
    begun = [line.totals() for line in lines if line.start <= now]
    set_columns(invoice, add_totals(begun, invoice.currency))
    later = [line.totals() for line in lines if line.start > now]
    invoice.__dict__["begins_later"] = add_totals(later, invoice.currency)["total"]
    invoice.due = invoice.total
    if lines:
        invoice.period_start = min(line.start for line in lines)
        invoice.period_end = max(line.end for line in lines)
    shown: list[InvoiceLine] = getattr(invoice, "shown_lines", [])
    # A line that waits keeps its id.
    by_id = {line.id: line for line in lines}
    for line in shown:
        found = by_id.get(line.id)
        if isinstance(found, LateLine):
            set_columns(line, found.rated_columns())
            line.shown_details = [InvoiceDetailedLine(**found.detail_row())]  # type: ignore[attr-defined]
            continue
        if found is None:
            _clear(line)
            continue
        columns = manual_columns(found) if isinstance(found, RatedManualLine) else rated_columns(found)
        set_columns(line, columns | {"explain": json.loads(columns["explain"])})
        details = manual_details(found) if isinstance(found, RatedManualLine) else detail_rows(found)
        line.shown_details = [InvoiceDetailedLine(**row) for row in details]  # type: ignore[attr-defined]


def _clear(line: InvoiceLine) -> None:
    # Nothing reported, or not billable: the columns hold zeros of any scale.
    zero = round_money(ZERO, line.currency)
    set_columns(line, dict.fromkeys(add_totals([], line.currency), zero))


def _failed_customers(customer_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[Terms, Customer, tuple[()]]]:
    terms = terms_of(customer_ids)
    return {
        customer.id: (terms[customer.id], customer, ()) for customer in Customer.objects.filter(pk__in=customer_ids)
    }
