"""Invoices, payments, bank statements, billing runs, parked customers and profile migrations in the admin."""

from invoicing.admin.balance import entries as balance
from invoicing.admin.bank_statements import bank_statement
from invoicing.admin.corrections import credit_note
from invoicing.admin.late_usage import case as late_usage
from invoicing.admin.lifecycle import invoice, review_queue, series
from invoicing.admin.parking import parked
from invoicing.admin.payments import payment
from invoicing.admin.profile_moves import migration, migration_item
from invoicing.admin.runs import run
from invoicing.admin.tax import tax_rate

__all__ = [
    "balance",
    "bank_statement",
    "credit_note",
    "invoice",
    "late_usage",
    "migration",
    "migration_item",
    "parked",
    "payment",
    "review_queue",
    "run",
    "series",
    "tax_rate",
]
