"""What only the finance desk writes: its staff."""
