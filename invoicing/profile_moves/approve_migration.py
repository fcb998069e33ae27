"""Approves a checked profile migration: from then on its customers are listed for good."""

from django.conf import settings
from django.db import transaction

from core import clock
from core.admin.words import counted
from core.approvals.errors import SecondPersonNeeded
from core.approvals.limits import may_act_alone
from core.audit.actors import current_actor
from core.audit.services.record import record
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict
from invoicing.errors import WrongMigrationState
from invoicing.models import ProfileMigration
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.limit_migrations import check_own_migration
from invoicing.profile_moves.states import may_follow, move


@transaction.atomic
def approve_migration(*, migration: ProfileMigration, reason: str = "") -> ProfileMigration:
    """Freeze the list of customers, and keep those out who are blocked.

    Of more customers than `MIGRATION_TWO_PERSON_ABOVE` the approver must not be the author: `SecondPersonNeeded`; nor
    of fewer, where they come to more together with what the author moved alone within a day, or would be without tax.
    Who acts by an API key is the user who made it.
    Raises `WrongMigrationState` for one that is not checked, or in which nobody could move.
    """
    migration = hold_migration(migration.pk)
    if migration.approved_at is not None:
        raise WrongMigrationState(f"{migration.approver_name} approved the migration already. Nothing was changed.")
    if not may_follow(migration.status, MigrationStatus.APPROVED):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}, and was not approved. "
            "Only a checked one can be."
        )
    actor = current_actor()
    approver, above = actor.person, settings.MIGRATION_TWO_PERSON_ABOVE
    if migration.customer_count > above and approver == migration.author:
        raise SecondPersonNeeded(
            f"{migration.author_name} drafted this migration of {counted(migration.customer_count, 'customer')}. Above "
            f"{above}, somebody else must approve it. Nothing was changed."
        )
    blocked = migration.items.filter(verdict=MoveVerdict.BLOCKED)
    movable = migration.customer_count - blocked.count()
    if not movable:
        raise WrongMigrationState(
            "Every customer is blocked, so there is nobody to move. Remove the causes, then check again."
        )
    if approver == migration.author:
        check_own_migration(migration)
    blocked.update(outcome=MoveOutcome.BLOCKED, updated_at=clock.now())
    move(migration, MigrationStatus.APPROVED)
    migration.approved_at = clock.now()
    migration.approver, migration.approver_name, migration.approval_reason = approver, actor.label, reason
    migration.approved_alone = approver == migration.author and not may_act_alone()
    migration.save()
    record(
        verb="profilemigration.approved",
        target=migration,
        did=f"approved {migration.in_words} for {movable} of {counted(migration.customer_count, 'customer')}",
        reason=reason,
    )
    return migration
