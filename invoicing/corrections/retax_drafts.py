"""Adds drafts up again, with their tax, after lines of theirs were changed or dropped."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F, Q

from core.bulk import update_rows
from core.money import ZERO
from customers.choices import TaxBehavior
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.corrections.credit_note_instead import give_back_otherwise
from invoicing.errors import CannotBill
from invoicing.lifecycle.bounds import MEND_DRAFT, refuse_beyond
from invoicing.lifecycle.states import check_moves
from invoicing.models import Invoice, InvoiceLine
from invoicing.tax import TaxTerms, tax_lines


def drop_lines(line_ids: Sequence[uuid.UUID], *, now: datetime) -> set[uuid.UUID]:
    """Take lines off their drafts: what they were for is not owed any more. With a charge goes what had come back of it
    there. Answers the drafts, which are to be added up again."""
    if not line_ids:
        return set()
    lines = InvoiceLine.objects.filter(
        Q(pk__in=line_ids) | Q(amends__in=line_ids, kind=LineKind.CREDIT, invoice=F("amends__invoice")),
        invoice__issued_at__isnull=True,
        deleted_at__isnull=True,
    )
    found = dict(lines.values_list("pk", "invoice_id"))
    InvoiceLine.objects.filter(pk__in=found).update(deleted_at=now, updated_at=now)
    return set(found.values())


def retax(invoice_ids: Collection[uuid.UUID], *, now: datetime, billed_by: Collection[uuid.UUID] = ()) -> None:
    """Work out the tax of drafts again, by the rates that their lines have, and add them up. One without lines goes.

    Credits that a draft's charges can't take any more are given back by credit notes instead. CannotBill where a draft
    would come to more than the safety bound. `billed_by` are the suppliers, beside those of the drafts, that the same
    transaction may issue invoices of later on.
    """
    if not invoice_ids:
        return
    taxed = _taxed(invoice_ids)
    overdrawn = [invoice_id for invoice_id, (_, total, _) in taxed.items() if total < 0]
    if overdrawn:
        give_back_otherwise(overdrawn, now=now, billed_by=billed_by)
        taxed = _taxed(invoice_ids)
        if any(total < 0 for _, total, _ in taxed.values()):
            raise CannotBill(
                "A draft of this customer would give back more than it charges. Nothing was changed. Issue the draft "
                "first, then do this again.",
                code="draft_gives_back",
            )
    for currency, total, _ in taxed.values():
        refuse_beyond("The draft", [total], currency, otherwise=MEND_DRAFT)
    _delete_empty(set(invoice_ids) - set(taxed), now)
    update_rows(
        InvoiceLine,
        ("taxes_inclusive_total", "taxes_exclusive_total", "taxes_total", "total"),
        [row for _, _, rows in taxed.values() for row in rows],
    )
    add_up(set(taxed), now=now)


def _delete_empty(invoice_ids: set[uuid.UUID], now: datetime) -> None:
    if not invoice_ids:
        return
    drafts = Invoice.objects.filter(pk__in=invoice_ids, issued_at__isnull=True)
    statuses = drafts.order_by().values_list("status", flat=True).distinct()
    check_moves((status, InvoiceStatus.DELETED) for status in statuses)
    drafts.update(status=InvoiceStatus.DELETED, deleted_at=now, updated_at=now)


def _taxed(invoice_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[str, Decimal, list[tuple[Any, ...]]]]:
    """The currency of each of these drafts that has lines, what it comes to, and the tax columns of its lines."""
    rows: dict[uuid.UUID, list[tuple[uuid.UUID, str, Decimal, TaxTerms | None]]] = {}
    kept = InvoiceLine.objects.counted().filter(invoice_id__in=invoice_ids).order_by("position", "id")
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
    found = {}
    for invoice_id, lines in rows.items():
        taxes = tax_lines([(net, terms) for _, _, net, terms in lines], lines[0][1])
        columns = [
            (line_id, tax.inclusive, tax.exclusive, tax.total, net + tax.exclusive)
            for (line_id, _, net, _), tax in zip(lines, taxes, strict=True)
        ]
        found[invoice_id] = (lines[0][1], sum((row[-1] for row in columns), ZERO), columns)
    return found


def add_up(invoice_ids: set[uuid.UUID], *, now: datetime) -> None:
    """Set the totals of drafts to the sums of their lines. What was unusual about them is to be looked at anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE invoicing_invoice AS i
            SET amount = s.amount, charges_total = s.charges_total, discounts_total = s.discounts_total,
                credits_total = s.credits_total, taxes_inclusive_total = s.taxes_inclusive_total,
                taxes_exclusive_total = s.taxes_exclusive_total, taxes_total = s.taxes_total,
                total = s.total, due = s.total, anomalies = NULL, anomaly_rank = NULL, updated_at = %s
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
