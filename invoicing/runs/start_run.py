"""Starts a billing run: lists its customers and cuts them into shards."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.actors import SYSTEM, current_actor
from core.audit.services.record import record
from core.bulk import copy_rows
from core.errors import FieldProblem, InvalidInput
from core.ids import new_id
from core.locks import customer_group, lock_alone, lock_if_free
from invoicing.choices import CustomerOutcome, RunStatus, RunTrigger
from invoicing.models import BillingRun, RunCustomer, RunShard
from invoicing.runs.due_customers import due_customer_ids

SHARD_SIZE = 500

_START_LOCK = 0x73746172  # "star": one run is listed at a time, so that no customer is in two


def refuse_future(as_of: datetime) -> None:
    """InvalidInput for a run that people ask for and whose time (UTC) is to come: it would bill what is not due."""
    now = clock.now()
    if as_of > now:
        message = f"It is {now:%Y-%m-%d %H:%M:%S} UTC: the future can't be closed. Nothing was started."
        problem = FieldProblem("asOf", "in_the_future", message)
        raise InvalidInput(message, code="in_the_future", problems=[problem])


@transaction.atomic
def start_run(
    *,
    as_of: datetime,
    trigger: str,
    started_by: str = "",
    customer_ids: Collection[uuid.UUID] | None = None,
    if_free: bool = False,
) -> BillingRun | None:
    """Make a run of everyone with something due by `as_of` (of `customer_ids`, if given); None when there is nobody,
    and, with `if_free`, at once where another run is being listed. Else it waits for that.

    Who is parked or already in a run under way is left out, so starting twice bills nobody twice. The run is worked
    off shard by shard by `work_shard`; beat hands the shards out. Who starts it by hand approves none of its drafts.
    """
    if not if_free:
        lock_alone(_START_LOCK)
    elif not lock_if_free(_START_LOCK):
        return None
    due = due_customer_ids(as_of)
    if customer_ids is not None:
        due = due.filter(customer_id__in=customer_ids)
    # In the order of the lock groups, so that a batch takes as few locks as can be.
    ids = sorted(due, key=lambda pk: (customer_group(pk), pk))
    if not ids:
        return None
    actor = current_actor()
    run = BillingRun.objects.create(
        as_of=as_of,
        trigger=trigger,
        started_by=started_by,
        author="" if actor == SYSTEM else actor.person,
        customer_count=len(ids),
        status=RunStatus.PENDING,
    )
    starts = range(0, len(ids), SHARD_SIZE)
    shards = RunShard.objects.bulk_create(RunShard(run=run, position=position) for position in range(len(starts)))
    rows = []
    for shard, start in zip(shards, starts, strict=True):
        rows += [
            {
                "id": new_id(),
                "run_id": run.id,
                "shard_id": shard.id,
                "customer_id": customer_id,
                "outcome": CustomerOutcome.PENDING.value,
                "cause_code": "",
                "cause": "",
                "note": "",
                "invoice_count": 0,
                "finished_at": None,
            }
            for customer_id in ids[start : start + SHARD_SIZE]
        ]
    copy_rows(RunCustomer, rows)
    if trigger in (RunTrigger.STAFF, RunTrigger.API):
        record(verb="start_run", target=run, did=f"started a billing run up to {as_of:%Y-%m-%d %H:%M} UTC")
    return run
