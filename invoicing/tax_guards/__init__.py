"""Whom a change would take tax off, in whatever way, and that one person does not do that alone."""
