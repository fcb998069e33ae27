"""Admin pages of payments."""
