"""Bank statements: read, matched to invoices, reviewed, booked."""
