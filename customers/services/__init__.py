"""Writes of the customers package: one verb a file."""
