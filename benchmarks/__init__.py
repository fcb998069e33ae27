"""Measurements. Each file is a command that prints a table; none is a test."""
