"""Admin pages that correct issued invoices."""
