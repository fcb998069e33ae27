"""Admin pages of profile moves."""
