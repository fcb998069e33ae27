"""The frame of every Celery task: it runs at the stored time where the test clock is allowed."""

from typing import Any

from celery import Task

from core.testclock.selectors import on_the_clock


class ClockedTask(Task):
    """The base of all tasks; `billing_site.celery` names it."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with on_the_clock():
            return super().__call__(*args, **kwargs)
