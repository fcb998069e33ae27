"""What is owed: billing runs, invoices, payments, and the pure rating of lines."""
