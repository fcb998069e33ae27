"""The scheduled work of the invoicing floor. Each task calls one service; all state is in the database."""

from collections.abc import Sequence

from celery import shared_task
from django.db.models import Q

from core import clock
from core.ids import from_text, to_text
from core.testclock.models import ClockSetting
from invoicing.choices import RunStatus, RunTrigger
from invoicing.migration_totals import add_up_all
from invoicing.models import BillingRun, ProfileMigration, RunShard
from invoicing.services import advance_clock as clock_service
from invoicing.services.advance_invoice import advance_due
from invoicing.services.collect import collect_due
from invoicing.services.end_dunning import end_dunning
from invoicing.services.mark_overdue import mark_overdue
from invoicing.services.reconcile_payments import reconcile_payments as reconcile_payments_service
from invoicing.services.refund import send_refunds as send_refunds_service
from invoicing.services.start_run import start_run
from invoicing.services.work_migration_shard import unfinished_shards as unfinished_migration_shards
from invoicing.services.work_migration_shard import work_migration_shard as work_migration_shard_service
from invoicing.services.work_shard import work_shard as work_shard_service


@shared_task
def close_due_periods() -> None:
    """Start a run of everyone with something due, and hand out its shards and those that a dead worker left."""
    if _clock_advances():
        return
    start_run(as_of=clock.now(), trigger=RunTrigger.SCHEDULE)
    hand_out_shards()


@shared_task
def close_customers(customer_ids: Sequence[str]) -> None:
    """Close these customers (ids as text) soon, without waiting for the schedule."""
    if _clock_advances():
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
    if not _clock_advances():
        advance_due(as_of=clock.now())


@shared_task
def collect_invoices() -> None:
    if not _clock_advances():
        collect_due(as_of=clock.now())


@shared_task
def reconcile_payments() -> None:
    reconcile_payments_service(as_of=clock.now())


@shared_task
def send_refunds() -> None:
    send_refunds_service(as_of=clock.now())


@shared_task
def mark_invoices_overdue() -> None:
    if not _clock_advances():
        mark_overdue(as_of=clock.now())
        end_dunning(as_of=clock.now())


@shared_task
def advance_clock() -> None:
    """Take the test clock to where it is heading; beat repeats it, so that a dead worker's advance is finished."""
    if _clock_advances():
        clock_service.advance_clock()


@shared_task
def work_migrations() -> None:
    """Hand out the shards of profile migrations that nobody works on, also those that a dead worker left."""
    for shard_id in unfinished_migration_shards():
        work_migration_shard.delay(to_text(shard_id))


@shared_task
def work_migration_shard(shard_id: str) -> None:
    """Work off one shard of a profile migration, if nobody else does."""
    known = from_text(shard_id)
    if known is not None:
        work_migration_shard_service(known)


@shared_task
def work_out_impact(migration_id: str) -> None:
    """Add up the next invoices of everybody in a profile migration who can move, if nobody else does."""
    known = from_text(migration_id)
    if known is not None and ProfileMigration.objects.filter(pk=known).exists():
        add_up_all(known)


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


def _clock_advances() -> bool:
    """Whether the test clock is on its way: it then runs everything itself, in order of time."""
    return ClockSetting.objects.filter(advancing_to__isnull=False).exists()
