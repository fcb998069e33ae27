"""Puts messages into the outbox and delivers them."""
