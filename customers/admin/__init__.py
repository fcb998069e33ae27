"""Customers, suppliers, billing apps, billing profiles and overrides in the admin."""

from customers.admin import app, customer, override, profile, supplier

__all__ = ["app", "customer", "override", "profile", "supplier"]
