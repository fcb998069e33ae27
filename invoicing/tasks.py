"""Lets Celery find the scheduled work of every package below: it looks for tasks here."""

from invoicing.late_usage import tasks as late_usage
from invoicing.notices import tasks as notices
from invoicing.parking import tasks as parking
from invoicing.payments import tasks as payments
from invoicing.profile_moves import tasks as profile_moves
from invoicing.progressive import tasks as progressive
from invoicing.runs import tasks as runs
from invoicing.usage_retention import tasks as usage_retention

__all__ = ["late_usage", "notices", "parking", "payments", "profile_moves", "progressive", "runs", "usage_retention"]
