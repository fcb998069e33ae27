"""The names of money columns that invoices and lines share, in one place. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from core.money import ZERO, round_money
from invoicing.tax import LineTax

Totals = dict[str, Decimal]

# `total = amount + charges_total - discounts_total - credits_total + taxes_exclusive_total`, on both.
TOTALS: Final = (
    "amount",
    "charges_total",
    "discounts_total",
    "credits_total",
    "taxes_inclusive_total",
    "taxes_exclusive_total",
    "taxes_total",
    "total",
)

# How what an invoice comes to was settled (billing rules 11).
SETTLEMENT: Final = (
    "credited",
    "paid",
    "refunded",
    "moved_to_balance",
    "applied_from_balance",
    "written_off",
    "due",
)


def add_totals(parts: Sequence[Totals], currency: str) -> Totals:
    """The sums of money columns, column by column."""
    zero = round_money(ZERO, currency)
    return {name: sum((part[name] for part in parts), zero) for name in line_totals(zero, zero, zero, None)}


def line_totals(amount: Decimal, charges: Decimal, discounts: Decimal, tax: LineTax | None) -> Totals:
    """The money columns of one line, from its parts and its tax; all with the places of its currency."""
    nothing = amount - amount
    exclusive, inclusive = (tax.exclusive, tax.inclusive) if tax is not None else (nothing, nothing)
    return {
        "amount": amount,
        "charges_total": charges,
        "discounts_total": discounts,
        "credits_total": nothing,
        "taxes_inclusive_total": inclusive,
        "taxes_exclusive_total": exclusive,
        "taxes_total": inclusive + exclusive,
        "total": amount + charges - discounts + exclusive,
    }
