"""Lets Celery find the scheduled work of the package: it looks for tasks here."""

from entitlements.metering import tasks as metering

__all__ = ["metering"]
