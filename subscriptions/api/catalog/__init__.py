"""REST endpoints of catalog."""
