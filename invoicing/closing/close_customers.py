"""Closes customers: bills everything due, in one transaction for the whole group."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction

from core.batches import together_or_alone
from core.locks import lock_customers
from core.many_ids import among
from invoicing.choices import CustomerOutcome
from invoicing.closing.assemble import UnusedSelector
from invoicing.closing.close import (
    Computed,
    LateSelector,
    LineSelector,
    as_cause,
    compute,
    late_collected,
    select_due,
    store,
)
from invoicing.closing.documents import CustomerClose
from invoicing.closing.notify import notify_issued
from invoicing.closing.park_customer import park_customers, parked_customer
from invoicing.errors import CustomerParked
from invoicing.lifecycle.issue_dates import IssueDates, at_its_date
from invoicing.models import ParkedCustomer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the close of one customer ended, in the words of a run's row."""

    customer_id: uuid.UUID
    outcome: CustomerOutcome
    invoice_ids: tuple[uuid.UUID, ...] = ()
    note: str = ""
    cause_code: str = ""
    cause: str = ""


def close_customers(
    customer_ids: Sequence[uuid.UUID], *, as_of: datetime, run_id: uuid.UUID | None = None, charge: bool = False
) -> list[Outcome]:
    """Bill everything that is due for these customers up to `as_of`; who is parked is skipped, who fails is parked.

    All in one transaction under the customers' locks. Should the database refuse the whole (a guard was hit), each
    customer is tried alone, so that the one at fault is parked and the others are billed. Call it outside of a
    transaction, or inside one that already holds the locks. With `charge`, what apps charge at once is charged, too.
    """
    groups = together_or_alone(
        customer_ids,
        act=lambda ids: at_its_date(partial(_close_together, ids, as_of=as_of, run_id=run_id, charge=charge)),
        fail=lambda customer_id, error: [_park(customer_id, error, run_id)],
    )
    return [outcome for group in groups for outcome in group]


def bill_customer(
    customer_id: uuid.UUID,
    *,
    as_of: datetime,
    select: LineSelector,
    give_back: UnusedSelector | None = None,
    late: LateSelector | None = None,
    replaces: uuid.UUID | None = None,
) -> CustomerClose:
    """Bill the lines of one customer that `select` chooses, and raise what stands in the way instead of parking.
    `give_back` and `late` as for `compute`. What is made says that it `replaces` that invoice.

    For staff and API, who are told at once. In the caller's transaction, which holds the customer's lock.
    CustomerParked (PreconditionFailed) where the customer is parked already, also once the cause is gone.
    """
    parked = parked_customer(customer_id)
    if parked is not None:
        raise CustomerParked(customer=str(parked.customer), cause=parked.cause)
    return bill_unparked(customer_id, as_of=as_of, select=select, give_back=give_back, late=late, replaces=replaces)


def bill_unparked(
    customer_id: uuid.UUID,
    *,
    as_of: datetime,
    select: LineSelector,
    give_back: UnusedSelector | None = None,
    late: LateSelector | None = None,
    replaces: uuid.UUID | None = None,
) -> CustomerClose:
    """As `bill_customer`, for a caller who has seen, behind the customer's lock, that they are not parked."""

    def bill(dates: IssueDates) -> CustomerClose:
        computed = compute([customer_id], as_of=as_of, select=select, give_back=give_back, late=late, issue_dates=dates)
        for document in computed.or_refuse().closes[0].invoices:
            document.replaces = replaces
        _store(computed, as_of=as_of, run_id=None)
        return computed.closes[0]

    return at_its_date(bill)


def _close_together(
    customer_ids: Sequence[uuid.UUID], dates: IssueDates, *, as_of: datetime, run_id: uuid.UUID | None, charge: bool
) -> list[Outcome]:
    lock_customers(customer_ids)
    parked = _parked(customer_ids)
    open_ids = [customer_id for customer_id in customer_ids if customer_id not in parked]
    computed = Computed()
    if open_ids:
        computed = compute(
            open_ids, as_of=as_of, select=select_due(as_of), late=late_collected(as_of), issue_dates=dates
        )
    _store(computed, as_of=as_of, run_id=run_id, charge=charge)
    if computed.failures:
        park_customers(computed.failures, run_id=run_id)
    return [
        *(Outcome(customer_id, CustomerOutcome.SKIPPED) for customer_id in parked),
        *(
            Outcome(customer_id, CustomerOutcome.PARKED, cause_code=error.code, cause=error.message)
            for customer_id, error in computed.failures.items()
        ),
        *(_outcome(close) for close in computed.closes),
    ]


def _store(computed: Computed, *, as_of: datetime, run_id: uuid.UUID | None, charge: bool = False) -> None:
    store(computed, as_of=as_of, run_id=run_id, charge=charge)
    notify_issued([document for close in computed.closes for document in close.invoices if document.is_issued])


@transaction.atomic
def _park(customer_id: uuid.UUID, error: Exception, run_id: uuid.UUID | None) -> Outcome:
    cause = as_cause(error, customer_id)
    park_customers({customer_id: cause}, run_id=run_id)
    return Outcome(customer_id, CustomerOutcome.PARKED, cause_code=cause.code, cause=cause.message)


def _parked(customer_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    parked = ParkedCustomer.objects.still_parked().order_by()
    return set(among(parked, "customer_id", customer_ids).values_list("customer_id", flat=True))


def _outcome(close: CustomerClose) -> Outcome:
    ids = tuple(document.id for document in close.invoices)
    if any(document.is_issued for document in close.invoices):
        outcome = CustomerOutcome.INVOICED
    else:
        outcome = CustomerOutcome.DRAFTED if ids else CustomerOutcome.NOTHING
    return Outcome(close.loaded.id, outcome, ids, note="\n".join(close.notes))
