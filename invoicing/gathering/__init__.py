"""What would be owed now: gathering invoices, previews, invoicing before the time."""
