"""Admin pages of subscription changes."""
