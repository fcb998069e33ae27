"""The Celery application: the worker and beat start from here."""

import os
import signal
import threading
import time
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_process_init, worker_shutting_down

from billing_site.beat import HEARTBEAT, SCHEDULE
from billing_site.runtime.deadlines import WORKER_FINISHES, WORKER_HANDS_BACK
from billing_site.runtime.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings.development")

app = Celery("countinghouse", task_cls="core.testclock.task:ClockedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()


@worker_process_init.connect
def end_with_the_worker(**_details: Any) -> None:
    """A pool process ends with its worker, even when that is killed: nobody else would take its results or stop it."""
    die_with_parent(signal.SIGKILL)


@worker_shutting_down.connect
def end_in_time(**_details: Any) -> None:
    """A worker that is told to stop waits for its tasks, and they perhaps for somebody who never answers. It doesn't
    wait longer than this: the tasks go back to the queue, and what they had begun is taken up by its lease."""
    if not _ending.is_set():
        _ending.set()
        threading.Thread(target=_end, daemon=True).start()


_ending = threading.Event()


def _end() -> None:
    time.sleep(WORKER_FINISHES)
    os.kill(os.getpid(), signal.SIGQUIT)
    time.sleep(WORKER_HANDS_BACK)
    os._exit(1)  # the pool ends with us


@beat_init.connect
def mark_the_start(**_details: Any) -> None:
    """Beat waits for the first interval; the doctor shouldn't have to."""
    app.send_task(HEARTBEAT["task"], **HEARTBEAT["options"])
