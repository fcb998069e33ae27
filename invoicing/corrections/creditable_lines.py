"""Reads how much of an issued invoice's lines can still be credited: never more than is left on them (billing rules
6)."""

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from core.money import ZERO
from customers.choices import TaxBehavior
from invoicing.choices import LineKind
from invoicing.models import CreditNoteLine, Invoice, InvoiceLine
from invoicing.tax import TaxTerms


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """A charge on an invoice: its net, and what of that has not come back yet. Both at the line's tax treatment."""

    line: InvoiceLine
    net: Decimal
    left: Decimal

    @property
    def tax_terms(self) -> TaxTerms | None:
        if self.line.tax_rate is None:
            return None
        inclusive = self.line.tax_behavior == TaxBehavior.INCLUSIVE
        return TaxTerms(self.line.tax_rate, inclusive, self.line.tax_name)


def creditable_lines(invoice: Invoice) -> list[CreditableLine]:
    """The charges of `invoice`, in order, also those of which nothing is left. What drafts are to give back counts as
    given back. Three queries."""
    charges = InvoiceLine.objects.counted().filter(invoice=invoice).exclude(kind=LineKind.CREDIT)
    lines = list(charges.order_by("position", "id"))
    back = _given_back([line.pk for line in lines])
    found = []
    for line in lines:
        net = line.amount + line.charges_total - line.discounts_total
        found.append(CreditableLine(line, net, max(net - back.get(line.pk, ZERO), ZERO)))
    return found


def _given_back(line_ids: list[uuid.UUID]) -> dict[uuid.UUID, Decimal]:
    """What credit lines and credit notes gave back of these lines, net, by line."""
    lines = InvoiceLine.objects.giving_back().filter(amends_id__in=line_ids).order_by().values_list("amends_id")
    back = {line_id: -net for line_id, net in lines.annotate(net=Sum("amount"))}
    notes = CreditNoteLine.objects.filter(invoice_line_id__in=line_ids).order_by().values_list("invoice_line_id")
    for line_id, net in notes.annotate(net=Sum("amount")):
        back[line_id] = back.get(line_id, ZERO) + net
    return back
