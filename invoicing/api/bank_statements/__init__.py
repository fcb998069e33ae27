"""REST endpoints of bank statements."""
