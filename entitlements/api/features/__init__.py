"""REST endpoints of features."""
