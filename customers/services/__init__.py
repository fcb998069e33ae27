"""Writes of the customers floor: one verb a file."""
