"""Invoices, payments, billing runs and parked customers in the admin."""

from invoicing.admin import balance, credit_note, invoice, parked, payment, run, series, tax_rate

__all__ = ["balance", "credit_note", "invoice", "parked", "payment", "run", "series", "tax_rate"]
