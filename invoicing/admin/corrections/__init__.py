"""Admin pages of corrections."""
