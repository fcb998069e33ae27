"""Admin pages of tax."""
