"""Beat's schedule names tasks that exist, and lets no stopped worker find a heap of them."""

from billing_site.beat import SCHEDULE
from billing_site.celery import app
from billing_site.queues import QUEUES, ROUTES, WORKERS


def test_every_scheduled_task_is_known_to_the_worker():
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} - set(app.tasks) == set()


def test_every_task_of_ours_waits_in_a_queue_of_its_kind_that_a_worker_serves():
    app.loader.import_default_modules()

    assert {task for task in app.tasks if not task.startswith("celery.")} == set(ROUTES)
    served = [name for arguments in WORKERS.values() for name in arguments[1].split(",")]
    assert sorted(served) == sorted(QUEUES)


def test_every_scheduled_message_expires():
    assert [name for name, entry in SCHEDULE.items() if not entry["options"].get("expires")] == []
