"""Admin pages of features."""
