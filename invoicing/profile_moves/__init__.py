"""Pins, the switch of the default profile, migrations between profiles."""
