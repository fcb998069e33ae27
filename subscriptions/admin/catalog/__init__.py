"""Admin pages of catalog."""
