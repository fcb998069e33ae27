"""Invoices, payments, bank statements, billing runs, parked customers and profile migrations in the admin."""

from invoicing.admin import (
    balance,
    bank_statement,
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
    "bank_statement",
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
