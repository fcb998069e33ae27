"""The test clock: a stored time that web, worker and beat share, where settings allow it."""
