"""Gives back what late usage comes to less than was billed: by credit notes over the lines that charged for its
period."""

import uuid
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from core.money import ONE, ZERO
from customers.choices import TaxBehavior
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.corrections.book_credit_notes import book_credit_notes
from invoicing.corrections.documents import CreditNoteDocument, CreditPart
from invoicing.late_usage.judge import LateUsage
from invoicing.lifecycle.selectors import issuers_of
from invoicing.models import CreditNoteLine, InvoiceLine
from invoicing.rating.explanation import CreditExplanation, ExplainedPart
from invoicing.tax import TaxTerms

COMES_TO_LESS = "comes_to_less"


def credit_late_usage(late: LateUsage, *, customer_id: uuid.UUID, now: datetime) -> uuid.UUID | None:
    """Issue the credit for `late`, whose net is below zero, in the transaction that holds the customer's lock: off the
    window's own lines first, the latest first, then off those that follow in its period; never more than is left on a
    line. Returns the first credit note, None where nothing is left on any of them.

    CannotBill where such a line stands on a draft: it is issued, or deleted, first.
    """
    notes: dict[uuid.UUID, CreditNoteDocument] = {}
    wanted = -late.net
    for line, left in _lines(late):
        amount = min(wanted, left)
        if amount <= 0:
            continue
        wanted -= amount
        note = notes.setdefault(line.invoice_id, CreditNoteDocument(customer_id, late.currency, line.invoice_id, []))
        note.parts.append(_part(line, amount))
    made = list(notes.values())
    book_credit_notes(made, now=now, billed_by=issuers_of({customer_id}))
    return made[0].id if made else None


def _lines(late: LateUsage) -> list[tuple[InvoiceLine, Decimal]]:
    """The lines that charged for the period, with what is left on each: this window's, its adjustments first."""
    windows = InvoiceLine.objects.filter(pk__in=late.charged_by).values("window_id")
    found = (
        InvoiceLine.objects.counted()
        .filter(window_id__in=windows, kind__in=[LineKind.USAGE, LineKind.LATE])
        .exclude(invoice__status__in=[InvoiceStatus.GATHERING, InvoiceStatus.VOIDED, InvoiceStatus.DELETED])
    )
    lines = sorted(found, key=lambda line: (line.window_id != late.window_id, line.period_start, -line.pk.int))
    given = CreditNoteLine.objects.filter(invoice_line_id__in=[line.pk for line in lines]).order_by()
    by_note = dict(given.values_list("invoice_line_id").annotate(amount=Sum("amount")))
    return [
        (line, line.amount + line.charges_total - line.discounts_total - by_note.get(line.pk, ZERO)) for line in lines
    ]


def _part(line: InvoiceLine, amount: Decimal) -> CreditPart:
    terms = None
    if line.tax_rate is not None:
        terms = TaxTerms(line.tax_rate, line.tax_behavior == TaxBehavior.INCLUSIVE, line.tax_name)
    step = ExplainedPart(COMES_TO_LESS, "The period comes to less with what came late", ONE, amount, amount, amount)
    explanation = CreditExplanation(currency=line.currency, parts=(step,), net=amount, credits=line.pk)
    return CreditPart(line.pk, line.name, line.period_start, line.period_end, amount, terms, explanation)
