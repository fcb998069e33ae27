"""Admin pages of entitlements and grants."""
