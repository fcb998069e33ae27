"""Admin pages that cross apps, and staff."""

from billing_site.backoffice.admin import customer, locked, profile, run, staff

__all__ = ["customer", "locked", "profile", "run", "staff"]
