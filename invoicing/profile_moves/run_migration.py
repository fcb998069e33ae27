"""Runs an approved profile migration, the whole of it or a first batch."""

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from core.errors import field_error
from core.locks import customer_group
from customers.errors import ProfileArchived
from invoicing.choices import MigrationStatus, MoveOutcome, RunStatus, ShardKind
from invoicing.errors import WrongMigrationState
from invoicing.models import MigrationItem, MigrationShard, ProfileMigration
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.states import move

SHARD_SIZE = 500


@transaction.atomic
def resume_migration(*, migration: ProfileMigration, limit: int | None = None) -> ProfileMigration:
    """Go on with a paused migration, as `run_migration`. `WrongMigrationState` for one that is not paused: an approved
    one has nothing to go on with, and one that runs nothing to wait for."""
    migration = hold_migration(migration.pk)
    if migration.status != MigrationStatus.PAUSED:
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}, not paused: there is nothing to resume. "
            "Nothing was changed."
        )
    return run_migration(migration=migration, limit=limit)


@transaction.atomic
def run_migration(*, migration: ProfileMigration, limit: int | None = None) -> ProfileMigration:
    """Put the next `limit` customers (None: all) up to be moved; whoever still waits from before goes first.

    After a batch the migration pauses, so that somebody looks before the next one. Workers do the moving, shard by
    shard. Running it while it runs changes nothing. Raises `WrongMigrationState`, `ProfileArchived`, InvalidInput.
    """
    if limit is not None and limit < 1:
        raise field_error("limit", "not_positive", "A batch has at least one customer. Nothing was changed.")
    migration = hold_migration(migration.pk)
    if migration.status == MigrationStatus.RUNNING:
        return migration
    if migration.status not in (MigrationStatus.APPROVED, MigrationStatus.PAUSED):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}, so it can't run. Only an approved or a paused "
            "one can. Nothing was changed."
        )
    check_target(migration)
    waiting = migration.items.filter(outcome=MoveOutcome.WAITING).count()
    if limit is not None and waiting > limit:
        _put_back(migration, limit)
        waiting = limit
    room = None if limit is None else limit - waiting
    up = queue_items(migration, list(_next(migration, room)))
    move(migration, MigrationStatus.RUNNING)
    migration.started_at = migration.started_at or clock.now()
    if not waiting and not up:
        move(migration, MigrationStatus.DONE)
        migration.finished_at = clock.now()
    migration.save(update_fields=["status", "started_at", "finished_at", "updated_at"])
    record(
        verb="profilemigration.run",
        target=migration,
        did=f"ran {migration.in_words} for {counted(waiting + up, 'customer')}",
    )
    return migration


def queue_items(migration: ProfileMigration, items: list[MigrationItem]) -> int:
    """Put these items into new shards, to be moved; how many. In the caller's transaction, which holds the row."""
    items.sort(key=lambda item: (customer_group(item.customer_id), item.customer_id))
    for start in range(0, len(items), SHARD_SIZE):
        shard = MigrationShard.objects.create(migration=migration, kind=ShardKind.MOVE)
        ids = [item.pk for item in items[start : start + SHARD_SIZE]]
        MigrationItem.objects.filter(pk__in=ids).update(
            shard=shard, outcome=MoveOutcome.WAITING, updated_at=clock.now()
        )
    return len(items)


def _put_back(migration: ProfileMigration, kept: int) -> None:
    """Of a larger batch that was paused, let only the first `kept` customers wait; the others come later."""
    later = migration.items.filter(outcome=MoveOutcome.WAITING).order_by("id").values_list("id", flat=True)[kept:]
    MigrationItem.objects.filter(pk__in=list(later)).update(
        outcome=MoveOutcome.PENDING, shard=None, updated_at=clock.now()
    )


def check_target(migration: ProfileMigration) -> None:
    """`ProfileArchived` where nobody can be moved to the target any more."""
    if migration.to_profile.archived_at is not None:
        raise ProfileArchived(f"The profile “{migration.to_profile}” is archived. Nobody was moved: restore it first.")


def settle(migration: ProfileMigration) -> None:
    """Give a running migration the state that its items say. In a transaction that holds its row.

    Nobody waits any more: done, or paused where more customers are to come.
    """
    if migration.status != MigrationStatus.RUNNING or migration.items.filter(outcome=MoveOutcome.WAITING).exists():
        return
    migration.shards.filter(kind=ShardKind.MOVE).update(status=RunStatus.DONE, lease_until=None, lease_token=None)
    if migration.items.filter(outcome=MoveOutcome.PENDING).exists():
        move(migration, MigrationStatus.PAUSED)
    else:
        move(migration, MigrationStatus.DONE)
        migration.finished_at = clock.now()
    migration.save(update_fields=["status", "finished_at", "updated_at"])


def _next(migration: ProfileMigration, room: int | None) -> list[MigrationItem]:
    pending = migration.items.filter(outcome=MoveOutcome.PENDING).order_by("id")
    return list(pending if room is None else pending[:room])
