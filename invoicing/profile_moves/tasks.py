"""The scheduled work of profile migrations. Each task calls one verb; all state is in the database."""

from celery import shared_task

from core.ids import from_text, to_text
from invoicing.models import ProfileMigration
from invoicing.profile_moves.totals import add_up_all
from invoicing.profile_moves.work_migration_shard import unfinished_shards as unfinished_migration_shards
from invoicing.profile_moves.work_migration_shard import work_migration_shard as work_migration_shard_service


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
