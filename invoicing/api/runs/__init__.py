"""REST endpoints of runs."""
