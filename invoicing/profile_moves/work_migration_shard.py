"""Works off one shard of a profile migration, batch by batch, under a lease that outlives no crash."""

import logging
import uuid
from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import F, Q

from core import clock
from core.admin.words import counted
from core.audit.actors import Actor, acting_as
from core.audit.services.record import record
from core.batches import is_away
from core.errors import BillingError, Conflict
from core.ids import from_text, new_id, to_text
from core.leases import (
    LOST_ALONE,
    begin_alone,
    fails_too_often,
    give_back_failed,
    goes_one_by_one,
    kept_alive,
    lease_end,
    unleased,
    with_lost,
)
from core.locks import customer_group
from customers.models import Customer
from invoicing.choices import MigrationStatus, MoveOutcome, MoveVerdict, RunStatus, ShardKind
from invoicing.errors import WorkersLost
from invoicing.models import MigrationShard, ProfileMigration
from invoicing.profile_moves.check_migration import check_batch, keep_unchecked
from invoicing.profile_moves.hold_migration import hold_migration
from invoicing.profile_moves.move_batch import fail_move, move_batch
from invoicing.profile_moves.pin_unpinned import next_unpinned, pin_these, pin_unpinned
from invoicing.profile_moves.run_migration import settle
from invoicing.profile_moves.states import move

logger = logging.getLogger(__name__)

# Everybody in a batch may have to be asked about at an app outside that answers slowly.
BATCH_SIZE = 40

Progress = Callable[[int], None]


def work_migration_shard(shard_id: uuid.UUID, *, progress: Progress | None = None) -> bool:
    """Check, move or pin every customer of the shard that is still waiting. False when another worker holds the shard.

    A worker that dies loses at most its batch's transaction; its lease runs out, and whoever takes the shard over goes
    on with who still waits. Where one of them is what kills it, or ends each time with an error that moving does not
    catch, that one is set aside in the end. An error is raised, and the shard is free again at once. It stops between
    batches when the migration is paused. `progress(left)` is told after each.
    """
    token = _claim(shard_id)
    if token is None:
        return False
    shard = MigrationShard.objects.select_related("migration").get(pk=shard_id)
    work = _pin if shard.kind == ShardKind.PIN else _work
    try:
        with kept_alive(partial(_keep, shard_id, token)) as progressed:

            def tell(left: int) -> None:
                progressed()
                if progress is not None:
                    progress(left)

            return work(shard, token, tell)
    except Exception:  # whatever it is, this worker lives, and says so first
        give_back_failed(shard, token)
        raise


def _work(shard: MigrationShard, token: uuid.UUID, progress: Progress) -> bool:
    checks = shard.kind == ShardKind.CHECK
    left = Q(verdict=MoveVerdict.UNCHECKED) if checks else Q(outcome=MoveOutcome.WAITING)
    one_by_one = goes_one_by_one(shard)
    while True:
        waiting = shard.items.filter(left).order_by("id").values_list("customer_id", flat=True)
        waiting = waiting[: 1 if one_by_one else BATCH_SIZE]
        ids = sorted(waiting, key=lambda pk: (customer_group(pk), pk))
        if not ids:
            break
        if not _keep(shard.pk, token) or (one_by_one and not begin_alone(shard, token, ids[0])):
            return False
        if not (_done_alone if one_by_one else _done)(shard, ids):
            _release(shard.pk, token)
            return True
        progress(shard.items.filter(left).count())
    _finish(shard, token)
    return True


def _done(shard: MigrationShard, ids: list[uuid.UUID]) -> bool:
    """Check or move these customers; False where the migration no longer runs, and nothing was done."""
    if shard.kind == ShardKind.CHECK:
        check_batch(migration=shard.migration, customer_ids=ids)
        return True
    return move_batch(migration=shard.migration, customer_ids=ids)


def _done_alone(shard: MigrationShard, ids: list[uuid.UUID]) -> bool:
    """As `_done` for the customer whose turn it is; they are set aside where worker after worker came to its end with
    them."""
    set_aside = keep_unchecked if shard.kind == ShardKind.CHECK else fail_move
    if shard.alone_tries > LOST_ALONE:
        set_aside(shard.migration, ids[0], WorkersLost(workers=LOST_ALONE))
        return True
    try:
        return _done(shard, ids)
    except Exception as error:  # of whatever kind moving lets pass: after so many times it is theirs
        if not fails_too_often(shard, away=is_away(error)):
            raise
        set_aside(shard.migration, ids[0], error)
        return True


def _pin(shard: MigrationShard, token: uuid.UUID, progress: Progress) -> bool:
    """Pin whoever follows the old default, in the name of who asked for it. Cancelling it takes the shard away.

    Where workers came to their end with it, those who come next are pinned one by one, to find out with whom: they stay
    without a pin, which the shard and the trail say, and can be pinned again.
    """
    is_held, left = True, shard.total - shard.done

    def go_on(pinned: int) -> bool:
        nonlocal is_held, left
        is_held, left = _keep(shard.pk, token, pinned=pinned), left - pinned
        progress(left)
        return is_held

    try:
        with acting_as(Actor(**shard.asked["actor"])):
            profile, reason = shard.migration.from_profile, shard.asked["reason"]
            if goes_one_by_one(shard):
                for customer in next_unpinned(without=_left_out(shard)):
                    if not (begin_alone(shard, token, customer.pk) and go_on(_pin_alone(shard, token, customer))):
                        return False
                # It was one of these, or the workers ended for reasons of their own: the others are pinned together.
                shard.lost, shard.failed = 0, 0
                MigrationShard.objects.filter(pk=shard.pk, lease_token=token).update(lost=0, failed=0)
            pin_unpinned(profile=profile, reason=reason, go_on=go_on, without=_left_out(shard))
    except Conflict as error:
        # Another profile became the default meanwhile: nobody follows this one any more.
        logger.warning("pinning for %s ended early: %s", shard.migration, error)
    if is_held:
        _finish(shard, token)
    return is_held


def _pin_alone(shard: MigrationShard, token: uuid.UUID, customer: Customer) -> int:
    """Pin the customer whose turn it is; leave them out where worker after worker came to its end with them."""
    if shard.alone_tries > LOST_ALONE:
        return _leave_out(shard, token, customer, WorkersLost(workers=LOST_ALONE))
    try:
        return pin_these([customer], profile=shard.migration.from_profile, reason=shard.asked["reason"])
    except Conflict:
        raise
    except Exception as error:  # of whatever kind: after so many times it is theirs
        if not fails_too_often(shard, away=is_away(error)):
            raise
        return _leave_out(shard, token, customer, error)


@transaction.atomic
def _leave_out(shard: MigrationShard, token: uuid.UUID, customer: Customer, error: Exception) -> int:
    logger.warning("customer %s could not be pinned", to_text(customer.pk), exc_info=error)
    known = error if isinstance(error, BillingError) else None
    said = f"{type(error).__name__}: {error}".partition("\n")[0]
    message = known.message if known else f"Something unexpected went wrong ({said}). See the log."
    entry = {"customer": to_text(customer.pk), "name": customer.name, "message": message}
    shard.left_out = [*shard.left_out, entry | {"code": known.code if known else "internal_error"}]
    if MigrationShard.objects.filter(pk=shard.pk, lease_token=token).update(left_out=shard.left_out):
        record(
            verb="profilemigration.left_out",
            target=shard.migration,
            did=f"left {customer} without a pin for {shard.migration.in_words}: {message}",
            customer_id=customer.pk,
        )
    return 0


def _left_out(shard: MigrationShard) -> list[uuid.UUID]:
    return [known for entry in shard.left_out if (known := from_text(entry["customer"])) is not None]


def pinned_at_once(shard: MigrationShard) -> int:
    """Work off a shard that pins, in this process; how many it pinned."""
    work_migration_shard(shard.pk)
    shard.refresh_from_db(fields=["done"])
    return shard.done


def work_off_migration(migration: ProfileMigration, kind: ShardKind | None = None) -> ProfileMigration:
    """Work off, in this process, the shards of this kind (None: of each) that nobody else holds.

    Who waits for an answer says the kind: others may be long, and are the workers'.
    """
    for shard_id in unfinished_shards(migration, kind):
        work_migration_shard(shard_id)
    migration.refresh_from_db()
    return migration


def work_next_migration_shard() -> bool:
    """Work off one shard that nobody works on, of whichever migration; False when there is none.

    One that fails is free again at once, for the next call, and keeps nobody from the others.
    """
    passed: set[uuid.UUID] = set()
    # One that a worker gives back, because its migration is paused or it failed, is free again at once: it is not taken
    # twice.
    while left := [shard_id for shard_id in unfinished_shards() if shard_id not in passed]:
        passed.add(left[0])
        try:
            if work_migration_shard(left[0]):
                return True
        except Exception as error:  # whatever it is, it stops only the shard that it is about
            if is_away(error):
                raise
            logger.exception("shard %s of a profile migration failed", to_text(left[0]))
    return False


def unfinished_shards(migration: ProfileMigration | None = None, kind: ShardKind | None = None) -> list[uuid.UUID]:
    """The shards that a worker should take now: of checks and pins, and of migrations that run; of one migration and
    of one kind where they are given. First those that a lost worker left."""
    to_do = Q(kind__in=[ShardKind.CHECK, ShardKind.PIN]) | Q(migration__status=MigrationStatus.RUNNING)
    shards = MigrationShard.objects.filter(unleased(), to_do).exclude(status=RunStatus.DONE)
    if migration is not None:
        shards = shards.filter(migration=migration)
    if kind is not None:
        shards = shards.filter(kind=kind)
    return list(shards.order_by(F("lease_until").asc(nulls_last=True), "id").values_list("id", flat=True))


def _claim(shard_id: uuid.UUID) -> uuid.UUID | None:
    """Take the shard if nobody holds it; the token proves it. Compare-and-set: two workers never both win."""
    token = new_id()
    taken = (
        MigrationShard.objects.filter(unleased(), pk=shard_id)
        .exclude(status=RunStatus.DONE)
        .update(
            status=RunStatus.RUNNING,
            lease_until=lease_end(),
            lease_token=token,
            attempts=F("attempts") + 1,
            lost=with_lost(),
        )
    )
    return token if taken else None


def _keep(shard_id: uuid.UUID, token: uuid.UUID, *, pinned: int = 0) -> bool:
    """Renew the lease; False when somebody else has taken the shard over."""
    mine = MigrationShard.objects.filter(pk=shard_id, lease_token=token)
    return mine.update(lease_until=lease_end(), done=F("done") + pinned) == 1


def _release(shard_id: uuid.UUID, token: uuid.UUID) -> None:
    """Give the shard back with customers left in it: the migration was paused."""
    MigrationShard.objects.filter(pk=shard_id, lease_token=token).update(
        status=RunStatus.PENDING, lease_until=None, lease_token=None, alone_with=None, alone_tries=0, alone_failed=0
    )


@transaction.atomic
def _finish(shard: MigrationShard, token: uuid.UUID) -> None:
    """Mark the shard done, and say what that means for the migration."""
    migration = hold_migration(shard.migration_id)
    MigrationShard.objects.filter(pk=shard.pk, lease_token=token).update(
        status=RunStatus.DONE, lease_until=None, lease_token=None
    )
    if shard.kind == ShardKind.MOVE:
        settle(migration)
    if shard.kind != ShardKind.CHECK:
        return
    unchecked = migration.items.filter(verdict=MoveVerdict.UNCHECKED).exists()
    if migration.status == MigrationStatus.DRAFT and not unchecked and migration.customer_count:
        move(migration, MigrationStatus.CHECKED)
        migration.checked_at = clock.now()
        migration.save(update_fields=["status", "checked_at", "updated_at"])
        blocked = migration.items.filter(verdict=MoveVerdict.BLOCKED).count()
        record(
            verb="profilemigration.checked",
            target=migration,
            did=f"checked {counted(migration.customer_count, 'customer')} for {migration.in_words}; blocked: {blocked}",
        )
