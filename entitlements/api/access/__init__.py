"""REST endpoints of entitlements and grants."""
