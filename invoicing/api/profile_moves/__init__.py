"""REST endpoints of profile moves."""
