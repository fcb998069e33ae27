"""REST endpoints that correct issued invoices."""
