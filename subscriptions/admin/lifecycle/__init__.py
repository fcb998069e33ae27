"""Admin pages of lifecycle."""
