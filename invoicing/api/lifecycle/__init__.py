"""REST endpoints of lifecycle."""
