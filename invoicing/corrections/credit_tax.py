"""Owns the tax of credit notes: that of the lines which they give back, and never more than it (billing rules 6)."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.many_ids import among
from core.money import ZERO, allocate, round_money
from customers.choices import TaxBehavior
from invoicing.corrections.documents import CreditLine, CreditNoteDocument, CreditPart
from invoicing.models import CreditNoteLine, InvoiceLine
from invoicing.tax import LineTax, TaxTerms, tax_on


@dataclass(slots=True)
class _Line:
    """A line of an invoice, net and tax: what it charged, and what has come back of it so far."""

    net: Decimal
    tax: Decimal
    net_back: Decimal = ZERO
    tax_back: Decimal = ZERO

    @property
    def tax_left(self) -> Decimal:
        return max(self.tax - self.tax_back, ZERO)

    def take(self, amount: Decimal, tax: Decimal) -> None:
        self.net_back += amount
        self.tax_back += tax


def tax_credit_notes(notes: Sequence[CreditNoteDocument], *, beside: Iterable[tuple[CreditLine, bool]] = ()) -> None:
    """Give each part of these notes its tax, by what credit lines and notes gave back of its line before.

    Where the rest of a line comes back, so does the rest of its tax. Else, by rate, the tax of all that has come back
    now, less the tax that had come back before: rounding adds up to nothing, in however many parts a line comes back.
    The credit lines of the same transaction are written already; a preview, which writes none, names those that are
    made `beside`, each with whether its invoice is issued at once. Three queries for any number of notes.
    """
    lines = _lines_of({part.line_id for note in notes for part in note.parts})
    for credit, is_issued in beside:
        if credit.unused.line.id in lines:
            tax = credit.totals()["taxes_total"]
            if not is_issued and credit.tax_terms is not None:
                tax = tax_on(credit.net, credit.tax_terms, credit.unused.subscription.currency)
            lines[credit.unused.line.id].take(credit.amount, -tax)
    for note in notes:
        groups: dict[TaxTerms | None, list[CreditPart]] = {}
        for part in note.parts:
            line = lines[part.line_id]
            if line.net_back + part.amount == line.net:
                _give(part, line, line.tax_left, note.currency)
            else:
                groups.setdefault(part.tax_terms, []).append(part)
        for terms, parts in groups.items():
            taxes = _taxes(parts, [lines[part.line_id] for part in parts], terms, note.currency)
            for part, tax in zip(parts, taxes, strict=True):
                line = lines[part.line_id]
                _give(part, line, min(tax, line.tax_left), note.currency)


def _taxes(
    parts: Sequence[CreditPart], lines: Sequence[_Line], terms: TaxTerms | None, currency: str
) -> Sequence[Decimal]:
    if terms is None:
        return [ZERO] * len(parts)
    amounts = [part.amount for part in parts]
    back = tax_on(sum((line.net_back for line in lines), ZERO) + sum(amounts, ZERO), terms, currency)
    now = max(back - sum((line.tax_back for line in lines), ZERO), ZERO)
    return allocate(now, amounts, currency)


def _give(part: CreditPart, line: _Line, tax: Decimal, currency: str) -> None:
    tax, zero = round_money(tax, currency), round_money(ZERO, currency)
    inclusive = part.tax_terms is not None and part.tax_terms.inclusive
    part.tax = LineTax(zero, tax) if inclusive else LineTax(tax, zero)
    line.take(part.amount, tax)


def _lines_of(line_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, _Line]:
    """These lines, with what credit lines and credit notes have given back of them."""
    charged = among(InvoiceLine.objects.order_by(), "pk", line_ids)
    columns = ("amount", "charges_total", "discounts_total", "taxes_total")
    lines = {
        line_id: _Line(amount + charges - discounts, tax)
        for line_id, amount, charges, discounts, tax in charged.values_list("pk", *columns)
    }
    credits = among(InvoiceLine.objects.giving_back().order_by(), "amends_id", line_ids).values_list(
        "amends_id", "amount", "taxes_total", "invoice__issued_at", "currency", "tax_rate", "tax_behavior", "tax_name"
    )
    for line_id, amount, tax, issued_at, currency, rate, behavior, name in credits:
        if issued_at is None and rate is not None:
            # A draft is added up again at the end of the transaction that changes it.
            tax = tax_on(amount, TaxTerms(rate, behavior == TaxBehavior.INCLUSIVE, name), currency)
        lines[line_id].take(-amount, -tax)
    notes = among(CreditNoteLine.objects.order_by(), "invoice_line_id", line_ids)
    for line_id, amount, tax in notes.values_list("invoice_line_id", "amount", "taxes_total"):
        lines[line_id].take(amount, tax)
    return lines
