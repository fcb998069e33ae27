"""Checks of the books: what must hold at all times (billing rules 13), one invariant a file, reading only."""
