"""Moves a batch of a migration's customers: all in one transaction, or each alone where one is at fault."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction

from core import clock
from core.audit.services.record_many import Act, record_many
from core.batches import together_or_alone
from core.bulk import update_rows
from core.errors import BillingError
from core.jsontext import canonical_json
from core.locks import lock_customers
from customers.errors import ProfileArchived
from customers.models import BillingProfile, CustomerOverride
from invoicing.choices import MigrationStatus, MoveOutcome
from invoicing.gateways import PaymentMethodCheck
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Cause, Severity, severity_of
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.check_migration import not_on_source
from invoicing.profile_moves.hold_migration import share_migration
from invoicing.profile_moves.limit_migrations import left_without_tax

logger = logging.getLogger(__name__)

_COLUMNS = ("verdict", "outcome", "causes", "pinned_before_id", "tries", "moved_at", "updated_at")


def move_batch(
    *, migration: ProfileMigration, customer_ids: Sequence[uuid.UUID], only_while_running: bool = True
) -> bool:
    """Move those of these customers who still wait; False where the migration no longer runs, and nothing was done.

    Everybody is looked at again, as of now: who is blocked meanwhile fails with the cause, and so does whom one person
    alone would leave without tax by it. Their outcome is written
    with the move itself, so that a worker that dies loses nothing and doubles nothing. Call it outside of a
    transaction, since the target's app may be asked.
    """
    target = BillingProfile.objects.select_related("supplier", "app").get(pk=migration.to_profile_id)
    answers = ask_app(customer_ids, app=target.app)
    return all(
        together_or_alone(
            customer_ids,
            act=lambda ids: _move_together(migration.pk, ids, answers, only_while_running),
            fail=partial(fail_move, migration),
        )
    )


@transaction.atomic
def _move_together(
    migration_id: uuid.UUID,
    customer_ids: Sequence[uuid.UUID],
    answers: Mapping[uuid.UUID, PaymentMethodCheck],
    only_while_running: bool,
) -> bool:
    migration = share_migration(migration_id)
    if only_while_running and migration.status != MigrationStatus.RUNNING:
        return False
    lock_customers(customer_ids)
    profiles = BillingProfile.objects.select_for_update(of=("self",), no_key=True).select_related("supplier", "app")
    target = profiles.get(pk=migration.to_profile_id)
    if target.archived_at is not None:
        raise ProfileArchived(f"The profile “{target}” is archived.")
    items = {
        item.customer_id: item
        for item in MigrationItem.objects.select_for_update(of=("self",))
        .select_related("customer")
        .filter(migration=migration, customer_id__in=customer_ids, outcome=MoveOutcome.WAITING)
    }
    ids = [customer_id for customer_id in customer_ids if customer_id in items]
    now = clock.now()
    elsewhere = not_on_source(migration, ids)
    found = check_customers(ids, target=target, answers=answers, now=now)
    causes = {key: (*elsewhere.get(key, ()), *found.get(key, ())) for key in ids}
    movers = [items[key].customer for key in ids if severity_of(causes[key]) != Severity.BLOCKED]
    untaxed = left_without_tax(migration, movers, target)
    causes |= {key: (cause, *causes[key]) for key, cause in untaxed.items()}
    movable = [customer.pk for customer in movers if customer.pk not in untaxed]
    pins = _pin(movable, target)
    record_many(
        verb="customer.moved",
        acts=[
            Act(
                target=items[key].customer,
                did=f"moved {items[key].customer} from “{migration.from_profile}” to “{target}”",
                changes={"billing_profile": [str(migration.from_profile), str(target)]},
                customer_id=key,
            )
            for key in movable
        ],
        reason=f"Profile migration approved by {migration.approver_name}",
    )
    update_rows(
        MigrationItem, _COLUMNS, [_row(items[key], causes[key], key in pins, pins.get(key), now) for key in ids]
    )
    return True


def _pin(customer_ids: Sequence[uuid.UUID], target: BillingProfile) -> dict[uuid.UUID, uuid.UUID | None]:
    """Pin these customers; what each was pinned to before."""
    known = {
        row.customer_id: row.billing_profile_id
        for row in CustomerOverride.objects.select_for_update().filter(customer_id__in=customer_ids)
    }
    CustomerOverride.objects.filter(customer_id__in=list(known)).update(billing_profile=target, updated_at=clock.now())
    CustomerOverride.objects.bulk_create(
        CustomerOverride(customer_id=key, billing_profile=target) for key in customer_ids if key not in known
    )
    return {key: known.get(key) for key in customer_ids}


def _row(
    item: MigrationItem, causes: Sequence[Cause], moved: bool, before: uuid.UUID | None, now: object
) -> tuple[object, ...]:
    return (
        item.pk,
        severity_of(causes).value,
        MoveOutcome.MOVED.value if moved else MoveOutcome.FAILED.value,
        canonical_json([cause.as_json() for cause in causes]),
        before,
        item.tries + 1,
        now if moved else None,
        now,
    )


@transaction.atomic
def fail_move(migration: ProfileMigration, customer_id: uuid.UUID, error: Exception) -> bool:
    """Keep what went wrong with one customer; the migration runs on."""
    logger.warning("customer %s could not be moved", customer_id, exc_info=True)
    known = error if isinstance(error, BillingError) else None
    said = f"{type(error).__name__}: {error}".partition("\n")[0]
    message = known.message if known else f"Something unexpected went wrong ({said}). See the log."
    cause = {"code": known.code if known else "internal_error", "severity": "blocked", "message": message, "links": []}
    item = (
        MigrationItem.objects.select_for_update()
        .filter(migration=migration, customer_id=customer_id, outcome=MoveOutcome.WAITING)
        .first()
    )
    if item is not None:
        item.outcome, item.causes, item.tries, item.updated_at = (
            MoveOutcome.FAILED,
            [cause],
            item.tries + 1,
            clock.now(),
        )
        item.save(update_fields=["outcome", "causes", "tries", "updated_at"])
    return True
