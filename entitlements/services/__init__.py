"""Writes of the entitlements floor: one verb a file."""
