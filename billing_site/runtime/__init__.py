"""Runs the whole installation on one machine: embedded PostgreSQL and Redis, and the supervisor of all processes."""
