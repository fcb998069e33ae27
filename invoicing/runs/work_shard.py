"""Works off the shards of runs: batch by batch, each batch a transaction, under a lease that outlives no crash."""

import logging
import uuid
from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import F, QuerySet

from core import clock
from core.batches import is_away
from core.bulk import update_rows
from core.errors import BillingError
from core.garbage import collected_between_batches
from core.ids import new_id, to_text
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
from core.locks import customer_group, lock_customers
from core.many_ids import among
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.close import as_cause
from invoicing.closing.close_customers import Outcome, close_customers
from invoicing.closing.park_customer import park_customers
from invoicing.errors import WorkersLost
from invoicing.models import BillingRun, RunCustomer, RunShard
from invoicing.payments.collect import collect_invoices

logger = logging.getLogger(__name__)

BATCH_SIZE = 250

Progress = Callable[[int, int], None]


def work_shard(shard_id: uuid.UUID, *, progress: Progress | None = None) -> bool:
    """Close every customer of the shard that is still waiting. False when another worker holds the shard.

    Everything is in the database: a worker that dies loses at most its batch's transaction, its lease runs out within
    seconds, and whoever takes the shard over goes on with the customers that still wait. Where one of them is what
    kills it, or ends each time with an error that closing does not catch, that one is parked in the end. An error is
    raised, and the shard is free again at once. `progress(done, total)` is told after each batch.
    """
    token = claim(shard_id)
    if token is None:
        return False
    shard = RunShard.objects.select_related("run").get(pk=shard_id)
    try:
        return _work(shard, token, progress)
    except Exception:  # whatever it is, this worker lives, and says so first
        give_back_failed(shard, token)
        raise


def _work(shard: RunShard, token: uuid.UUID, progress: Progress | None) -> bool:
    total = shard.customers.count()
    one_by_one = goes_one_by_one(shard)
    with kept_alive(partial(_keep, shard.pk, token)) as progressed, collected_between_batches() as collect:
        while True:
            waiting = shard.customers.filter(outcome=CustomerOutcome.PENDING).order_by("id")
            ids = sorted(
                waiting.values_list("customer_id", flat=True)[: 1 if one_by_one else BATCH_SIZE],
                key=lambda pk: (customer_group(pk), pk),
            )
            if not ids:
                break
            if not _keep(shard.pk, token) or (one_by_one and not begin_alone(shard, token, ids[0])):
                return False
            if one_by_one:
                _close_alone(shard, ids[0])
            else:
                _close_batch(shard, ids)
            progressed()
            collect()
            if progress is not None:
                progress(total - shard.customers.filter(outcome=CustomerOutcome.PENDING).count(), total)
    return _finish(shard, token)


def work_next_shard() -> bool:
    """Work off one shard that nobody works on, of whichever run; False when there is none."""
    passed: set[uuid.UUID] = set()
    # One that fails is free again at once: it keeps nobody from the others, and is not taken twice.
    while (shard_id := free_shards().exclude(pk__in=passed).values_list("id", flat=True).first()) is not None:
        try:
            if work_shard(shard_id):
                return True
        except Exception as error:  # whatever it is, it stops only the shard that it is about
            if is_away(error):
                raise
            logger.exception("shard %s of a run failed", to_text(shard_id))
            passed.add(shard_id)
    return False


def free_shards() -> QuerySet[RunShard]:
    """The shards that a worker should take now: first those that a lost worker left, then in the order of the runs."""
    lost_first = F("lease_until").asc(nulls_last=True)
    free = RunShard.objects.filter(unleased()).exclude(status=RunStatus.DONE)
    return free.order_by(lost_first, "run__created_at", "position")


def claim(shard_id: uuid.UUID) -> uuid.UUID | None:
    """Take the shard if nobody holds it; the token proves it. Compare-and-set: two workers never both win."""
    token = new_id()
    taken = (
        RunShard.objects.filter(unleased(), pk=shard_id)
        .exclude(status=RunStatus.DONE)
        .update(
            status=RunStatus.RUNNING,
            lease_until=lease_end(),
            lease_token=token,
            attempts=F("attempts") + 1,
            lost=with_lost(),
        )
    )
    if not taken:
        return None
    BillingRun.objects.filter(shards=shard_id, status=RunStatus.PENDING).update(status=RunStatus.RUNNING)
    return token


def _keep(shard_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Renew the lease; False when somebody else has taken the shard over."""
    renewed = RunShard.objects.filter(pk=shard_id, lease_token=token).update(lease_until=lease_end())
    return renewed == 1


def _close_alone(shard: RunShard, customer_id: uuid.UUID) -> None:
    """Close the customer whose turn it is; park them where worker after worker came to its end with them."""
    if shard.alone_tries > LOST_ALONE:
        _park(shard, customer_id, WorkersLost(workers=shard.alone_tries - 1))
        return
    try:
        _close_batch(shard, [customer_id])
    except Exception as error:  # of whatever kind closing lets pass: after so many times it is theirs
        if not fails_too_often(shard, away=is_away(error)):
            raise
        _park(shard, customer_id, as_cause(error, customer_id))


def _park(shard: RunShard, customer_id: uuid.UUID, cause: BillingError) -> None:
    """Park a customer with whom no worker comes through, so that the others are billed, and the run ends."""
    with transaction.atomic():
        lock_customers([customer_id])
        # A worker that only seemed lost may have billed them meanwhile.
        if shard.customers.filter(customer_id=customer_id, outcome=CustomerOutcome.PENDING).exists():
            park_customers({customer_id: cause}, run_id=shard.run_id)
            parked = Outcome(customer_id, CustomerOutcome.PARKED, cause_code=cause.code, cause=cause.message)
            _write(shard, [parked])


def _close_batch(shard: RunShard, customer_ids: list[uuid.UUID]) -> None:
    """Close a batch and write its outcomes in one transaction: either both stand or neither does.

    Who still waits is read again under the locks: a worker that lost its lease may have been slow, not dead.
    """
    with transaction.atomic():
        lock_customers(customer_ids)
        pending = shard.customers.filter(outcome=CustomerOutcome.PENDING).order_by()
        waiting = among(pending, "customer_id", customer_ids)
        still_waiting = set(waiting.values_list("customer_id", flat=True))
        customer_ids = [customer_id for customer_id in customer_ids if customer_id in still_waiting]
        outcomes = close_customers(customer_ids, as_of=shard.run.as_of, run_id=shard.run_id, charge=True)
        _write(shard, outcomes)
    # What could not be charged at once, or was declined.
    collect_invoices([invoice_id for outcome in outcomes for invoice_id in outcome.invoice_ids], as_of=clock.now())


def _write(shard: RunShard, outcomes: list[Outcome]) -> None:
    mine = RunCustomer.objects.filter(run_id=shard.run_id).order_by()
    closed = among(mine, "customer_id", [outcome.customer_id for outcome in outcomes])
    rows = dict(closed.values_list("customer_id", "id"))
    now = clock.now()
    update_rows(
        RunCustomer,
        ("outcome", "cause_code", "cause", "note", "invoice_count", "finished_at"),
        [
            (
                rows[outcome.customer_id],
                outcome.outcome.value,
                outcome.cause_code,
                outcome.cause,
                outcome.note,
                len(outcome.invoice_ids),
                now,
            )
            for outcome in outcomes
        ],
    )


def _finish(shard: RunShard, token: uuid.UUID) -> bool:
    """Mark the shard done, and its run when it was the last one. False when somebody else has taken the shard over:
    they finish it, or have."""
    with transaction.atomic():
        run = BillingRun.objects.select_for_update().get(pk=shard.run_id)
        mine = RunShard.objects.filter(pk=shard.pk, lease_token=token)
        if not mine.update(status=RunStatus.DONE, lease_until=None, lease_token=None):
            return False
        if not run.shards.exclude(status=RunStatus.DONE).exists():
            run.status, run.finished_at = RunStatus.DONE, clock.now()
            run.save(update_fields=["status", "finished_at", "updated_at"])
    return True
