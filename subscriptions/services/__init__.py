"""Writes of the subscriptions floor: one verb a file."""
