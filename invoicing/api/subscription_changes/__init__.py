"""REST endpoints of subscription changes."""
