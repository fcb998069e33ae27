"""Invoices, payments, billing runs and parked customers in the admin."""

from invoicing.admin import invoice, parked, payment, run, series

__all__ = ["invoice", "parked", "payment", "run", "series"]
