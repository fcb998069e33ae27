"""Runs the house on one machine: embedded PostgreSQL and Redis, and the supervisor of all processes."""
