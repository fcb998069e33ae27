"""Django's PostgreSQL backend, with a faster way to read times."""
