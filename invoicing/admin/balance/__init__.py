"""Admin pages of balance."""
