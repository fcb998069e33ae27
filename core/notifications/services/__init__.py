"""Writes of channels, rules and events, and the delivery of webhooks."""
