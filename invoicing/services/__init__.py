"""Writes of the invoicing floor: one verb a file."""
