"""What beat sends, and how often: the one place of the schedule.

Every delayed act is a row with a due time; a task here looks for the rows that are due. A message that no worker took
within its interval expires, so that a stopped worker finds no heap of them.
"""

from typing import Any

from celery.schedules import crontab

from billing_site.heartbeat import EVERY_SECONDS


def every(seconds: float, task: str) -> dict[str, Any]:
    """An entry that beat sends again and again."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


def daily(hour: int, minute: int, task: str) -> dict[str, Any]:
    """An entry that beat sends once a day, at this time in UTC."""
    return {"task": task, "schedule": crontab(hour=hour, minute=minute), "options": {"expires": 12 * 3600}}


HEARTBEAT = every(EVERY_SECONDS, "billing_site.tasks.beat_heartbeat")

SCHEDULE: dict[str, dict[str, Any]] = {
    "heartbeat": HEARTBEAT,
    "close due periods": every(5, "invoicing.runs.tasks.close_due_periods"),
    "find late usage": every(10, "invoicing.late_usage.tasks.find_late_usage"),
    "advance drafts": every(5, "invoicing.runs.tasks.advance_invoices"),
    "look at drafts to approve": every(5, "invoicing.runs.tasks.judge_drafts"),
    "watch spending": every(10, "invoicing.progressive.tasks.watch_spending"),
    "collect issued invoices": every(5, "invoicing.payments.tasks.collect_invoices"),
    "ask about open charges": every(30, "invoicing.payments.tasks.reconcile_payments"),
    "send refunds": every(10, "invoicing.payments.tasks.send_refunds"),
    "work off profile migrations": every(5, "invoicing.profile_moves.tasks.work_migrations"),
    "release who is parked": every(10, "invoicing.parking.tasks.release_asked"),
    "mark invoices overdue": every(30, "invoicing.payments.tasks.mark_invoices_overdue"),
    "finish an advance of the test clock": every(5, "invoicing.runs.tasks.advance_clock"),
    "build rollups of usage": every(30, "entitlements.metering.tasks.build_rollups"),
    "make months for events": daily(2, 20, "entitlements.metering.tasks.make_event_months"),
    "drop months of billed events": daily(4, 10, "invoicing.usage_retention.tasks.drop_billed_months"),
    "deliver the outbox": every(10, "core.outbox.tasks.deliver_outbox"),
    "tell of entitlements": every(5, "entitlements.notices.tasks.tell_entitlements"),
    "tell of invoices": every(5, "invoicing.notices.tasks.tell_invoices"),
    "deliver webhooks": every(5, "core.notifications.tasks.deliver_webhooks"),
    "forget old events of webhooks": daily(3, 30, "core.notifications.tasks.forget_events"),
    "forget what was seen of old usage periods": daily(3, 50, "entitlements.notices.tasks.forget_states"),
    "purge kept responses": daily(3, 10, "billing_site.access.tasks.purge_idempotent_responses"),
}
