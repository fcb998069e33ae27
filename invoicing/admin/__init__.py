"""Invoices, payments, billing runs, parked customers and profile migrations in the admin."""

from invoicing.admin import (
    balance,
    credit_note,
    invoice,
    migration,
    migration_item,
    parked,
    payment,
    run,
    series,
    tax_rate,
)

__all__ = [
    "balance",
    "credit_note",
    "invoice",
    "migration",
    "migration_item",
    "parked",
    "payment",
    "run",
    "series",
    "tax_rate",
]
