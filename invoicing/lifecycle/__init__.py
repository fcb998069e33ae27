"""The life of an invoice: its states, issue, due date, number, what is frozen."""
