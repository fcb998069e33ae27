"""Writes to the audit trail."""
