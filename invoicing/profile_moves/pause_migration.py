"""Pauses or cancels a profile migration. Who was moved stays moved."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from invoicing.choices import MigrationStatus, MoveOutcome, RunStatus
from invoicing.errors import WrongMigrationState
from invoicing.models import ProfileMigration
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.states import may_follow, move


@transaction.atomic
def pause_migration(*, migration: ProfileMigration, reason: str = "") -> ProfileMigration:
    """Stop after the batch that is under way. Raises `WrongMigrationState` where nothing runs."""
    # Workers hold this row shared during a batch: whoever pauses waits for it to end.
    migration = hold_migration(migration.pk)
    if not may_follow(migration.status, MigrationStatus.PAUSED):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}: there is nothing to pause. "
            "Nothing was changed."
        )
    move(migration, MigrationStatus.PAUSED)
    migration.save(update_fields=["status", "updated_at"])
    record(verb="profilemigration.paused", target=migration, did=f"paused {migration.in_words}", reason=reason)
    return migration


@transaction.atomic
def cancel_migration(*, migration: ProfileMigration, reason: str = "") -> ProfileMigration:
    """Move nobody else. Raises `WrongMigrationState` for one that is done, or cancelled already."""
    migration = hold_migration(migration.pk)
    if migration.status == MigrationStatus.CANCELLED:
        raise WrongMigrationState("The migration is cancelled already. Nothing was changed.")
    if not may_follow(migration.status, MigrationStatus.CANCELLED):
        raise WrongMigrationState("The migration is done: there is nothing to cancel. Take customers back one by one.")
    now = clock.now()
    left = migration.items.filter(outcome__in=[MoveOutcome.PENDING, MoveOutcome.WAITING])
    count = left.update(outcome=MoveOutcome.CANCELLED, updated_at=now)
    migration.shards.update(status=RunStatus.DONE, lease_until=None, lease_token=None)
    move(migration, MigrationStatus.CANCELLED)
    migration.finished_at = now
    migration.save(update_fields=["status", "finished_at", "updated_at"])
    record(
        verb="profilemigration.cancelled",
        target=migration,
        did=f"cancelled {migration.in_words}; customers not moved: {count}",
        reason=reason,
    )
    return migration
