"""The scheduled work of runs. Each task calls one verb; all state is in the database."""

from collections.abc import Sequence

from celery import shared_task

from core import clock
from core.ids import from_text
from core.locks import only_one
from core.testclock.selectors import clock_advances
from invoicing.choices import RunTrigger
from invoicing.drafts import judge_drafts as review
from invoicing.drafts.advance_invoice import advance_in_turn
from invoicing.runs import advance_clock as clock_service
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import free_shards
from invoicing.runs.work_shard import work_next_shard as work_next_shard_service

# More idle workers than that are called by the next tick.
_CALLED_AT_ONCE = 64
_TAKEN_WITHIN = 30
_LISTING_LOCK = 0x6C697374  # "list": ticks don't wait for each other while one lists the customers of a large run


@shared_task
def close_due_periods() -> None:
    """Start a run of everyone with something due, and hand out its shards and those that a dead worker left."""
    if clock_advances():
        return
    with only_one(_LISTING_LOCK) as mine:
        if mine:
            start_run(as_of=clock.now(), trigger=RunTrigger.SCHEDULE)
    hand_out_shards()


@shared_task
def close_customers(customer_ids: Sequence[str]) -> None:
    """Close these customers (ids as text) soon, without waiting for the schedule.

    Where another run is being listed, which may take long, they are the schedule's all the same: many who subscribe
    meanwhile must not take the places of the ticks.
    """
    if clock_advances():
        return
    ids = [known for text in customer_ids if (known := from_text(text)) is not None]
    start_run(as_of=clock.now(), trigger=RunTrigger.SCHEDULE, customer_ids=ids, if_free=True)
    hand_out_shards()


@shared_task
def work_next_shard() -> None:
    """Work off one shard that nobody works on, then have the next one taken.

    One shard a message, so that whatever else waits in the queue has its turn between two.
    """
    if work_next_shard_service():
        work_next_shard.apply_async(expires=_TAKEN_WITHIN)


@shared_task
def advance_invoices() -> None:
    """Move drafts on, unless the test clock is on its way: it moves them at each of its stops."""
    if not clock_advances():
        advance_in_turn(as_of=clock.now())


@shared_task
def judge_drafts() -> None:
    """Look at drafts that wait for approval, unless the test clock is on its way: it looks at each of its stops."""
    if not clock_advances():
        review.judge_waiting(seconds=review.SECONDS)


@shared_task
def advance_clock() -> None:
    """Take the test clock to where it is heading; beat repeats it, so that a dead worker's advance is finished."""
    if clock_advances():
        clock_service.advance_clock()


def hand_out_shards() -> None:
    """Call a worker for each shard that nobody works on, those of runs that staff started, too. Call it on commit.

    Which shard a worker takes, it sees in the database. Calls that nobody hears expire: beat makes them again.
    """
    for _ in range(free_shards()[:_CALLED_AT_ONCE].count()):
        work_next_shard.apply_async(expires=_TAKEN_WITHIN)
