"""REST endpoints of customer guards."""
