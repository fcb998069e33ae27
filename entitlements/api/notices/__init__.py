"""REST endpoints of notices: channels, rules, events."""
