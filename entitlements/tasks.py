"""Lets Celery find the scheduled work of the package: it looks for tasks here."""

from entitlements.metering import tasks as metering
from entitlements.notices import tasks as notices

__all__ = ["metering", "notices"]
