"""Features: what can be sold and counted."""
