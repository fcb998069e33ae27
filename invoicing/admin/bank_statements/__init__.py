"""Admin pages of bank statements."""
