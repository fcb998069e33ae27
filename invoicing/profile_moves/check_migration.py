"""Checks everybody in a profile migration before anything moves."""

import logging
import uuid
from collections.abc import Mapping, Sequence

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from core.batches import together_or_alone
from core.bulk import copy_rows, update_rows
from core.errors import BillingError, InvalidInput
from core.ids import new_id
from core.jsontext import canonical_json
from core.locks import customer_group
from customers.effective_settings import terms_of
from customers.models import BillingProfile
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, ShardKind
from invoicing.errors import WrongMigrationState
from invoicing.gateways import REMOTE_GATEWAYS
from invoicing.models import MigrationItem, MigrationShard, ProfileMigration
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Cause, CauseCode, severity_of
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.cohort import cohort_of
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.states import may_follow, move

logger = logging.getLogger(__name__)

SHARD_SIZE = 500
# Up to so many customers are checked while the caller waits; calls to an app outside take longer.
AT_ONCE, AT_ONCE_REMOTELY = 1000, 20


@transaction.atomic
def check_migration(*, migration: ProfileMigration) -> ProfileMigration:
    """List the customers anew and cut them into shards to be checked; what an earlier check found is forgotten.

    The migration is checked once its last shard is. Raises `WrongMigrationState` once it is approved, InvalidInput
    where there is nobody to move.
    """
    migration = hold_migration(migration.pk)
    if not may_follow(migration.status, MigrationStatus.DRAFT):
        raise WrongMigrationState(
            f"The migration is {migration.get_status_display().lower()}: its customers are listed for good and are not "
            "checked again. Nothing was changed."
        )
    ids = sorted(cohort_of(migration).order_by().values_list("pk", flat=True), key=lambda pk: (customer_group(pk), pk))
    if not ids:
        raise InvalidInput(
            f"“{migration.from_profile}” bills nobody that fits, so there is nobody to move. Nothing was changed.",
            code="empty_cohort",
        )
    migration.items.all().delete()
    migration.shards.filter(kind=ShardKind.CHECK).delete()
    now = clock.now()
    rows = []
    for start in range(0, len(ids), SHARD_SIZE):
        shard = MigrationShard.objects.create(migration=migration, kind=ShardKind.CHECK)
        rows += [_row(migration, shard, customer_id) | {"updated_at": now} for customer_id in ids[start:][:SHARD_SIZE]]
    copy_rows(MigrationItem, rows)
    move(migration, MigrationStatus.DRAFT)
    migration.checked_at, migration.customer_count = None, len(ids)
    migration.save(update_fields=["status", "checked_at", "customer_count", "updated_at"])
    record(
        verb="profilemigration.check_started",
        target=migration,
        did=f"had {counted(len(ids), 'customer')} checked for {migration.in_words}",
    )
    return migration


def checked_at_once(migration: ProfileMigration) -> bool:
    """Whether the check is short enough for the caller to wait for it."""
    remote = migration.to_profile.app.type in REMOTE_GATEWAYS
    return migration.customer_count <= (AT_ONCE_REMOTELY if remote else AT_ONCE)


def check_batch(*, migration: ProfileMigration, customer_ids: Sequence[uuid.UUID]) -> None:
    """Look at these customers and keep what was found. Call it outside of a transaction: the app may be asked.

    Should the look itself fail, each is looked at alone, so that only the one at fault is blocked.
    """
    found = together_or_alone(customer_ids, act=lambda ids: look_at(migration, ids), fail=_not_checked)
    _keep(migration, {customer_id: why for each in found for customer_id, why in each.items()})


def keep_unchecked(migration: ProfileMigration, customer_id: uuid.UUID, error: Exception) -> None:
    """Block a customer who can't be looked at, for this reason."""
    if isinstance(error, BillingError):
        _keep(migration, {customer_id: (Cause(CauseCode.CHECK_FAILED, error.message),)})
    else:
        _keep(migration, _not_checked(customer_id, error))


def _keep(migration: ProfileMigration, causes: Mapping[uuid.UUID, tuple[Cause, ...]]) -> None:
    with transaction.atomic():
        rows = migration.items.select_for_update().filter(customer_id__in=list(causes), outcome=MoveOutcome.PENDING)
        now = clock.now()
        update_rows(
            MigrationItem,
            ("verdict", "causes", "updated_at"),
            [
                (item_id, severity_of(causes[customer_id]).value, _json(causes[customer_id]), now)
                for item_id, customer_id in rows.values_list("id", "customer_id")
            ],
        )


def _not_checked(customer_id: uuid.UUID, error: Exception) -> dict[uuid.UUID, tuple[Cause, ...]]:
    logger.warning("customer %s could not be checked", customer_id, exc_info=True)
    failed = f"The check failed ({type(error).__name__}): see the log, then check again."
    return {customer_id: (Cause(CauseCode.CHECK_FAILED, failed),)}


def look_at(migration: ProfileMigration, customer_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[Cause, ...]]:
    """What stands in the way of moving these customers now, by the app's answers and by our own rows."""
    target = BillingProfile.objects.select_related("supplier", "app").get(pk=migration.to_profile_id)
    answers = ask_app(customer_ids, app=target.app)
    found = check_customers(customer_ids, target=target, answers=answers, now=clock.now())
    elsewhere = not_on_source(migration, customer_ids)
    return {customer_id: (*elsewhere.get(customer_id, ()), *causes) for customer_id, causes in found.items()}


def not_on_source(migration: ProfileMigration, customer_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[Cause, ...]]:
    """A block for each of these customers who is billed by another profile than the one that is left."""
    return {
        customer_id: (
            Cause(
                CauseCode.NOT_ON_SOURCE,
                f"Billed by “{terms.profile}”, not by “{migration.from_profile}”: there is nothing to move.",
            ),
        )
        for customer_id, terms in terms_of(customer_ids).items()
        if terms.profile.pk != migration.from_profile_id
    }


def _json(causes: Sequence[Cause]) -> str:
    return canonical_json([cause.as_json() for cause in causes])


def _row(migration: ProfileMigration, shard: MigrationShard, customer_id: uuid.UUID) -> dict[str, object]:
    return {
        "id": new_id(),
        "migration_id": migration.pk,
        "customer_id": customer_id,
        "shard_id": shard.pk,
        "verdict": MoveVerdict.UNCHECKED.value,
        "outcome": MoveOutcome.PENDING.value,
        "causes": "[]",
        "pinned_before_id": None,
        "tries": 0,
        "moved_at": None,
    }
