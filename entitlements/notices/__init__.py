"""Notices about entitlements: when a threshold is crossed, and what is told of it."""
