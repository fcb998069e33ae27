"""Owns how values are written for spreadsheets. Pure."""

from typing import Any


def safe_cell(value: Any) -> Any:
    """The value, defused: a spreadsheet runs a cell that opens with one of these characters as a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
