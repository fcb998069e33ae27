"""Beat's schedule names tasks that exist, and lets no stopped worker find a heap of them."""

from billing_site.beat import SCHEDULE
from billing_site.celery import app


def test_every_scheduled_task_is_known_to_the_worker():
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} - set(app.tasks) == set()


def test_every_scheduled_message_expires():
    assert [name for name, entry in SCHEDULE.items() if not entry["options"].get("expires")] == []
