"""Admin pages of drafts."""
