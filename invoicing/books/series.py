"""Owns invariant 5: series have no gap and no decreasing date, and drafts have no number."""

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Max, Q

from invoicing.books.examination import Examination, Finding, name_customer, name_invoice
from invoicing.choices import SeriesKind
from invoicing.models import Invoice, NumberSeries
from invoicing.models.series import format_number

GONE = "Find the document in a backup: numbers are never given up, voided invoices keep theirs."
COUNTER = "Stop issuing, set the counter right, and find out what wrote it."

_IN_ORDER = """
    SELECT i.id, i.number, i.sequence, i.issued_at, {supplier}, c.id, c.name, c.key,
        lag(i.sequence, 1, 0::bigint) OVER w AS before, lag(i.issued_at) OVER w AS issued_before
    FROM {documents} JOIN customers_customer c ON c.id = i.customer_id
    WHERE i.series_id = %s
    WINDOW w AS (ORDER BY i.sequence)
    ORDER BY i.sequence
"""
_SELECT = {
    SeriesKind.INVOICE: _IN_ORDER.format(supplier="i.supplier_id", documents="invoicing_invoice i"),
    # A credit note is its invoice's supplier's.
    SeriesKind.CREDIT_NOTE: _IN_ORDER.format(
        supplier="o.supplier_id",
        documents="invoicing_creditnote i JOIN invoicing_invoice o ON o.id = i.invoice_id",
    ),
}


def series_are_gapless(exam: Examination) -> Iterator[Finding]:
    """Each series runs 1, 2, 3 ... with its own prefix, in the order of issue, and its counter stands at the next."""
    numbered_drafts = Invoice.objects.filter(issued_at__isnull=True).filter(
        Q(number__isnull=False) | Q(sequence__isnull=False) | Q(series__isnull=False)
    )
    unnumbered = Invoice.objects.filter(issued_at__isnull=False).filter(
        Q(number__isnull=True) | Q(sequence__isnull=True) | Q(series__isnull=True)
    )
    for invoice in numbered_drafts.select_related("customer").iterator(chunk_size=500):
        yield Finding(_name(invoice), "it is not issued, but has a number.", "Find out what wrote it, and take it off.")
    for invoice in unnumbered.select_related("customer").iterator(chunk_size=500):
        yield Finding(_name(invoice), "it is issued, but has no number.", GONE)
    for series in NumberSeries.objects.order_by("prefix"):
        yield from _numbers(exam, series)
        yield from _counter(series)


def _numbers(exam: Examination, series: NumberSeries) -> Iterator[Finding]:
    for row in _rows(series):
        (pk, number, sequence, issued_at, supplier_id, customer_id, customer, key, before, issued_before) = row
        name = _name_document(series, number, pk, name_customer(customer, key, customer_id))
        if sequence != before + 1:
            missing = _range(series.prefix, before + 1, sequence - 1)
            yield Finding(f"Series {series.prefix}", f"{missing} missing before {number}.", GONE)
        if number != format_number(series.prefix, sequence):
            expected = format_number(series.prefix, sequence)
            yield Finding(name, f"its number should be {expected}, found {number}.", GONE)
        if supplier_id != series.supplier_id:
            yield Finding(name, f"it is numbered by series {series.prefix}, which is another supplier's.", COUNTER)
        if issued_before is not None and issued_at < issued_before:
            yield Finding(
                name,
                f"it was issued on {issued_at:%Y-%m-%d %H:%M:%S} UTC, before the one with the number before it "
                f"({issued_before:%Y-%m-%d %H:%M:%S} UTC).",
                "Find out what changed its date, and restore it from a backup.",
            )
        exam.count(1)


def _rows(series: NumberSeries) -> Iterator[tuple[Any, ...]]:
    """The numbered invoices of a series in order, by a cursor on the server: any number takes the same memory."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_SELECT[SeriesKind(series.kind)], [series.pk])
        while rows := cursor.fetchmany(1000):
            yield from rows


def _counter(series: NumberSeries) -> Iterator[Finding]:
    documents: Any = series.invoices if series.kind == SeriesKind.INVOICE else series.credit_notes
    stored = documents.aggregate(last=Max("sequence"), issued_at=Max("issued_at"))
    expected, issued_at = (stored["last"] or 0) + 1, stored["issued_at"]
    if series.next_number != expected:
        yield Finding(
            f"Series {series.prefix}", f"its next number is {series.next_number}; expected {expected}.", COUNTER
        )
    if issued_at is not None and (series.last_issued_at is None or series.last_issued_at < issued_at):
        yield Finding(
            f"Series {series.prefix}",
            f"it says that its last document was issued on {series.last_issued_at}; expected {issued_at}.",
            COUNTER,
        )


def _name_document(series: NumberSeries, number: str, pk: uuid.UUID, customer: str) -> str:
    if series.kind == SeriesKind.CREDIT_NOTE:
        return f"Credit note {number} of {customer}"
    return name_invoice(number, pk, customer)


def _range(prefix: str, first: int, last: int) -> str:
    if first == last:
        return f"{format_number(prefix, first)} is"
    return f"{format_number(prefix, first)} to {format_number(prefix, last)} are"


def _name(invoice: Invoice) -> str:
    customer = invoice.customer
    return name_invoice(invoice.number, invoice.id, name_customer(customer.name, customer.key, customer.id))
