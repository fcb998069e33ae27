"""Tries customers of a migration again who failed, or who were blocked and are not any more."""

from django.db import transaction

from core.admin.words import counted
from core.audit.services.record import record
from customers.models import Customer
from invoicing.choices import MigrationStatus, MoveOutcome, RunStatus
from invoicing.errors import WrongMigrationState
from invoicing.models import MigrationItem, MigrationShard, ProfileMigration
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.move_batch import move_batch
from invoicing.profile_moves.run_migration import check_target, queue_items, settle
from invoicing.profile_moves.states import may_follow, move

_RETRIED = (MoveOutcome.FAILED, MoveOutcome.BLOCKED)


def retry_move(*, migration: ProfileMigration, customer: Customer) -> MigrationItem:
    """Look at one customer again and move them, if nothing is in the way any more; the item says what came of it.

    Raises `WrongMigrationState` for a migration that is not approved, or is cancelled, and for a customer who neither
    failed nor was blocked. Call it outside of a transaction, since the target's app may be asked.
    """
    with transaction.atomic():
        migration = _locked(migration)
        item = migration.items.select_for_update().get(customer=customer)
        # Whoever waits though nothing runs was left by a process that died while it tried them again.
        stranded = item.outcome == MoveOutcome.WAITING and migration.status != MigrationStatus.RUNNING
        if item.outcome not in _RETRIED and not stranded:
            raise WrongMigrationState(
                f"{customer} is {item.get_outcome_display().lower()} in this migration: there is nothing to try again."
            )
        queue_items(migration, [item])
        record(
            verb="profilemigration.retried",
            target=migration,
            did=f"tried {customer} again in {migration.in_words}",
            customer_id=customer.pk,
        )
    move_batch(migration=migration, customer_ids=[customer.pk], only_while_running=False)
    item.refresh_from_db()
    with transaction.atomic():
        migration = hold_migration(migration.pk)
        MigrationShard.objects.filter(items=item).update(status=RunStatus.DONE)
        settle(migration)
    return item


@transaction.atomic
def retry_failed(*, migration: ProfileMigration) -> int:
    """Put everybody who failed up to be moved again, by workers; how many.

    Raises `ProfileArchived`, and `WrongMigrationState` also where nobody failed, and where it is paused in the middle
    of a batch: the rest of that batch would move, too.
    """
    migration = _locked(migration)
    waiting = migration.items.filter(outcome=MoveOutcome.WAITING).count()
    if migration.status == MigrationStatus.PAUSED and waiting:
        raise WrongMigrationState(
            f"The migration is paused, and {waiting} customers of its batch still wait: they would move, too. Nothing "
            "was changed. Resume it first, or try customers again one by one."
        )
    count = queue_items(migration, list(migration.items.select_for_update().filter(outcome=MoveOutcome.FAILED)))
    if not count:
        raise WrongMigrationState("Nobody failed in this migration: there is nobody to try again. Nothing was changed.")
    move(migration, MigrationStatus.RUNNING)
    migration.finished_at = None
    migration.save(update_fields=["status", "finished_at", "updated_at"])
    record(
        verb="profilemigration.retried",
        target=migration,
        did=f"tried {counted(count, 'customer')} again, failed in {migration.in_words}",
    )
    return count


def _locked(migration: ProfileMigration) -> ProfileMigration:
    migration = hold_migration(migration.pk)
    if not may_follow(migration.status, MigrationStatus.RUNNING):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}: nobody can be moved by it. "
            "Nothing was changed."
        )
    check_target(migration)
    return migration
