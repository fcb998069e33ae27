"""The scheduled work of runs. Each task calls one verb; all state is in the database."""

from collections.abc import Sequence

from celery import shared_task
from django.db.models import Q

from core import clock
from core.ids import from_text, to_text
from core.testclock.selectors import clock_advances
from invoicing.choices import RunStatus, RunTrigger
from invoicing.drafts.advance_invoice import advance_due
from invoicing.models import BillingRun, RunShard
from invoicing.runs import advance_clock as clock_service
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard as work_shard_service


@shared_task
def close_due_periods() -> None:
    """Start a run of everyone with something due, and hand out its shards and those that a dead worker left."""
    if clock_advances():
        return
    start_run(as_of=clock.now(), trigger=RunTrigger.SCHEDULE)
    hand_out_shards()


@shared_task
def close_customers(customer_ids: Sequence[str]) -> None:
    """Close these customers (ids as text) soon, without waiting for the schedule."""
    if clock_advances():
        return
    ids = [known for text in customer_ids if (known := from_text(text)) is not None]
    start_run(as_of=clock.now(), trigger=RunTrigger.SCHEDULE, customer_ids=ids)
    hand_out_shards()


@shared_task
def work_shard(shard_id: str) -> None:
    """Work off one shard, if nobody else does."""
    known = from_text(shard_id)
    if known is not None:
        work_shard_service(known)


@shared_task
def advance_invoices() -> None:
    if not clock_advances():
        advance_due(as_of=clock.now())


@shared_task
def advance_clock() -> None:
    """Take the test clock to where it is heading; beat repeats it, so that a dead worker's advance is finished."""
    if clock_advances():
        clock_service.advance_clock()


def hand_out_shards() -> None:
    """Send every shard that nobody works on to the workers; a shard that is sent twice is worked off once."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=clock.real_now())
    shards = RunShard.objects.filter(free).exclude(status=RunStatus.DONE).order_by("run__created_at", "position")
    for shard_id in shards.values_list("id", flat=True):
        work_shard.delay(to_text(shard_id))


def enqueue_run(run: BillingRun) -> None:
    """Hand out the shards of a run that staff or an API call started. Call it on commit."""
    for shard_id in run.shards.values_list("id", flat=True):
        work_shard.delay(to_text(shard_id))
