"""The scheduled work of profile migrations. Each task calls one verb; all state is in the database."""

from celery import shared_task

from core.ids import from_text
from invoicing.models import ProfileMigration
from invoicing.profile_moves.totals import add_up_all
from invoicing.profile_moves.work_migration_shard import unfinished_shards
from invoicing.profile_moves.work_migration_shard import (
    work_next_migration_shard as work_next_migration_shard_service,
)

# More idle workers than that are called by the next tick.
_CALLED_AT_ONCE = 64
_TAKEN_WITHIN = 30


@shared_task
def work_migrations() -> None:
    """Call a worker for each shard of profile migrations that nobody works on, also those that a dead worker left."""
    for _ in unfinished_shards()[:_CALLED_AT_ONCE]:
        work_next_migration_shard.apply_async(expires=_TAKEN_WITHIN)


@shared_task
def work_next_migration_shard() -> None:
    """Work off one shard of a profile migration that nobody works on, then have the next one taken."""
    if work_next_migration_shard_service():
        work_next_migration_shard.apply_async(expires=_TAKEN_WITHIN)


@shared_task
def work_out_impact(migration_id: str) -> None:
    """Add up the next invoices of everybody in a profile migration who can move, if nobody else does."""
    known = from_text(migration_id)
    if known is not None and ProfileMigration.objects.filter(pk=known).exists():
        add_up_all(known)
