"""REST endpoints of late usage."""
