"""Admin pages of rating."""
