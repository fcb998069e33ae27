"""Re-rates lines of drafts in place: after a change of facts, or when their quantities are collected."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection

from core.bulk import copy_rows, update_rows
from core.money import ZERO, to_wire
from customers.choices import TaxBehavior
from invoicing.choices import InvoiceStatus
from invoicing.engine.documents import RatedDocumentLine
from invoicing.engine.rows import RATED_COLUMNS, TERMS_COLUMNS, detail_rows, line_row, rated_columns
from invoicing.errors import CannotBill
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine
from invoicing.tax import TaxTerms, tax_lines

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
    retax({invoice_id for invoice_id, _ in lines}, now=now)


def drop_from_drafts(line_ids: Sequence[uuid.UUID], *, now: datetime) -> None:
    """Take lines off their drafts: what they were for is not owed any more. A draft left without lines is deleted."""
    if not line_ids:
        return
    lines = InvoiceLine.objects.filter(pk__in=line_ids, invoice__issued_at__isnull=True)
    invoice_ids = set(lines.values_list("invoice_id", flat=True))
    lines.update(deleted_at=now, updated_at=now)
    left = set(
        InvoiceLine.objects.filter(invoice_id__in=invoice_ids, deleted_at__isnull=True).values_list(
            "invoice_id", flat=True
        )
    )
    Invoice.objects.filter(pk__in=invoice_ids - left).update(
        status=InvoiceStatus.DELETED, deleted_at=now, updated_at=now
    )
    retax(left, now=now)


def retax(invoice_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """Work out the tax of drafts again, by the rates that their lines have, and add them up.

    CannotBill where a draft's credits would be left with too few charges to take them.
    """
    rows: dict[uuid.UUID, list[tuple[uuid.UUID, str, Decimal, TaxTerms | None]]] = {}
    kept = InvoiceLine.objects.filter(invoice_id__in=invoice_ids, deleted_at__isnull=True).order_by("position", "id")
    for line_id, invoice_id, currency, amount, charges, discounts, rate, behavior in kept.values_list(
        "id",
        "invoice_id",
        "currency",
        "amount",
        "charges_total",
        "discounts_total",
        "tax_rate",
        "tax_behavior",
    ):
        terms = None if rate is None else TaxTerms(rate, behavior == TaxBehavior.INCLUSIVE)
        rows.setdefault(invoice_id, []).append((line_id, currency, amount + charges - discounts, terms))
    updates = []
    for lines in rows.values():
        taxes = tax_lines([(net, terms) for _, _, net, terms in lines], lines[0][1])
        total = sum((net + tax.exclusive for (_, _, net, _), tax in zip(lines, taxes, strict=True)), ZERO)
        if total < 0:
            raise CannotBill(
                f"A draft of this customer would give back {to_wire(-total)} {lines[0][1]} more than it charges. "
                "Nothing was changed. Issue the draft first, then do this again.",
                code="draft_gives_back",
            )
        for (line_id, _, net, _), tax in zip(lines, taxes, strict=True):
            updates.append((line_id, tax.inclusive, tax.exclusive, tax.total, net + tax.exclusive))
    update_rows(InvoiceLine, ("taxes_inclusive_total", "taxes_exclusive_total", "taxes_total", "total"), updates)
    add_up(set(rows), now=now)


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
