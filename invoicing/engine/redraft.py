"""Re-rates lines of drafts in place: after a change of facts, or when their quantities are collected."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from core.bulk import copy_rows, update_rows
from invoicing.engine.documents import RatedDocumentLine
from invoicing.engine.rows import RATED_COLUMNS, TERMS_COLUMNS, detail_rows, line_row, rated_columns
from invoicing.models import InvoiceDetailedLine, InvoiceLine

_COLUMNS = ("updated_at", *TERMS_COLUMNS, *RATED_COLUMNS)


def redraft(lines: Sequence[tuple[uuid.UUID, RatedDocumentLine]], *, now: datetime) -> None:
    """Replace the money of draft lines, each given with its invoice's id, and add up their invoices again."""
    if not lines:
        return
    rows = []
    details = []
    for invoice_id, line in lines:
        row = line_row(line.planned, line.id, invoice_id, now) | rated_columns(line)
        rows.append([line.id, *(row[column] for column in _COLUMNS)])
        details.extend(detail_rows(line))
    InvoiceDetailedLine.objects.filter(line_id__in=[line.id for _, line in lines]).delete()
    update_rows(InvoiceLine, _COLUMNS, rows)
    copy_rows(InvoiceDetailedLine, details)
    add_up({invoice_id for invoice_id, _ in lines}, now=now)


def add_up(invoice_ids: set[uuid.UUID], *, now: datetime) -> None:
    """Set the totals of drafts to the sums of their lines."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE invoicing_invoice AS i
            SET amount = s.amount, charges_total = s.charges_total, discounts_total = s.discounts_total,
                credits_total = s.credits_total, taxes_inclusive_total = s.taxes_inclusive_total,
                taxes_exclusive_total = s.taxes_exclusive_total, taxes_total = s.taxes_total,
                total = s.total, due = s.total, updated_at = %s
            FROM (
                SELECT invoice_id, sum(amount) AS amount, sum(charges_total) AS charges_total,
                    sum(discounts_total) AS discounts_total, sum(credits_total) AS credits_total,
                    sum(taxes_inclusive_total) AS taxes_inclusive_total,
                    sum(taxes_exclusive_total) AS taxes_exclusive_total, sum(taxes_total) AS taxes_total,
                    sum(total) AS total
                FROM invoicing_invoiceline
                WHERE invoice_id = ANY(%s) AND status = 'valid' AND deleted_at IS NULL
                GROUP BY invoice_id
            ) AS s
            WHERE i.id = s.invoice_id AND i.issued_at IS NULL
            """,
            [now, list(invoice_ids)],
        )
