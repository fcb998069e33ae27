"""The second step of a safe move: pins everybody who follows the old default to it, before another takes its place."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.actors import current_actor
from core.audit.reasons import current_reason
from core.audit.services.record import record
from core.audit.services.record_many import Act, record_many
from core.errors import Conflict
from core.locks import lock_customers
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.choices import MigrationStatus, RunStatus, ShardKind
from invoicing.errors import WrongMigrationState
from invoicing.models import MigrationShard, ProfileMigration
from invoicing.profile_moves.cohort import unpinned_customers
from invoicing.profile_moves.hold_migration import hold_migration

BATCH_SIZE = 250
# Up to so many are pinned while the caller waits.
AT_ONCE = 1000


@transaction.atomic
def start_pinning(*, migration: ProfileMigration, reason: str = "") -> MigrationShard | None:
    """A shard for everybody who follows the migration's source, the default: working it off pins them to it. None
    where nobody does. Up to `AT_ONCE` are pinned while the caller waits, more of them by the workers.

    Asking again while they are at it changes nothing. Conflict where the source is not the default (any more),
    `WrongMigrationState` for a cancelled migration.
    """
    migration = hold_migration(migration.pk)
    if migration.status == MigrationStatus.CANCELLED:
        raise WrongMigrationState("The migration is cancelled. Nobody was pinned.")
    _refuse_unless_default(migration.from_profile)
    under_way = migration.shards.filter(kind=ShardKind.PIN).exclude(status=RunStatus.DONE).first()
    if under_way is not None:
        return under_way
    count = unpinned_customers().count()
    if not count:
        return None
    asked = {"actor": asdict(current_actor()), "reason": reason or current_reason()}
    record(
        verb="profilemigration.pinning",
        target=migration,
        did=f"had {counted(count, 'customer')} pinned to “{migration.from_profile}” for {migration.in_words}",
        reason=reason,
    )
    return MigrationShard.objects.create(migration=migration, kind=ShardKind.PIN, total=count, asked=asked)


def pin_unpinned(
    *,
    profile: BillingProfile,
    reason: str = "",
    go_on: Callable[[int], bool] = lambda pinned: True,
    without: Collection[uuid.UUID] = (),
) -> int:
    """Pin every customer who follows `profile`, the default, to it; how many. Nobody's terms change.

    Batch by batch, each a transaction, so it can be repeated and goes on where it stopped; `go_on(pinned)` is asked
    after each, and who is `without` is left out. Conflict where `profile` is not the default (any more): following it
    would be a move then.
    """
    pinned = in_round = 0
    after: uuid.UUID | None = None
    while True:
        customers = next_unpinned(after=after, without=without)
        count = pin_these(customers, profile=profile, reason=reason)
        last = customers[-1].pk if customers else None
        pinned, in_round = pinned + count, in_round + count
        if last is None and not in_round:
            return pinned
        # At the end once more from the start, for who lost a pin meanwhile. Starting anew at each batch would read
        # those who are pinned already again and again.
        after, in_round = (last, in_round) if last is not None else (None, 0)
        if count and not go_on(count):
            return pinned


def next_unpinned(*, after: uuid.UUID | None = None, without: Collection[uuid.UUID] = ()) -> list[Customer]:
    """The next batch of those without a pin, behind `after`, in the order of their ids. One query."""
    unpinned = unpinned_customers().order_by("id")
    if after is not None:
        unpinned = unpinned.filter(pk__gt=after)
    return list((unpinned.exclude(pk__in=without) if without else unpinned)[:BATCH_SIZE])


@transaction.atomic
def pin_these(chosen: Sequence[Customer], *, profile: BillingProfile, reason: str) -> int:
    """Pin those of these customers who have no pin still to `profile`, the default; how many it pinned. Conflict where
    it is not the default (any more)."""
    customers = {customer.pk: customer for customer in chosen}
    # Customers before profiles, as in every pin; the profile's row then keeps another from becoming the default.
    lock_customers(customers)
    profile = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    _refuse_unless_default(profile)
    # Read again behind the locks: a pin may have taken some of them meanwhile.
    known = CustomerOverride.objects.select_for_update().filter(customer_id__in=list(customers))
    before = {row.customer_id: row.billing_profile_id for row in known}
    ids = [pk for pk in customers if before.get(pk) is None]
    CustomerOverride.objects.filter(customer_id__in=[pk for pk in ids if pk in before]).update(
        billing_profile=profile, updated_at=clock.now()
    )
    CustomerOverride.objects.bulk_create(
        CustomerOverride(customer_id=pk, billing_profile=profile) for pk in ids if pk not in before
    )
    record_many(
        verb="customer.pinned",
        acts=[_act(customers[pk], profile) for pk in ids],
        reason=reason,
    )
    return len(ids)


def _refuse_unless_default(profile: BillingProfile) -> None:
    if not profile.is_default:
        raise Conflict(
            f"“{profile}” is not the default profile, so nobody follows it without a pin. Nobody else was pinned.",
            code="not_the_default",
        )


def _act(customer: Customer, profile: BillingProfile) -> Act:
    return Act(
        target=customer,
        did=f"pinned {customer} to “{profile}”",
        changes={"billing_profile": [None, str(profile)]},
        customer_id=customer.pk,
    )
