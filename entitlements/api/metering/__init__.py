"""REST endpoints of metering."""
