"""The names of money columns that invoices and lines share, in one place. Pure."""

from typing import Final

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
