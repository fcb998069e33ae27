"""REST endpoints of balance."""
