"""Notices to other systems: channels, rules, events and their delivery by signed webhooks."""
