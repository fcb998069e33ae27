"""Telling other programs of invoices."""
