"""Webhook channels, notification rules and deliveries in the admin."""
