"""Admin pages of metering."""
