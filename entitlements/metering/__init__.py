"""Usage: meters, events, the quantity of a window."""
