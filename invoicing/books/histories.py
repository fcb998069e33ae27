"""Loads customers with their whole billing history, batch by batch, for the checks that need it."""

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from core.errors import BillingError
from customers.models import Customer
from invoicing.books.examination import CUSTOMERS_AT_ONCE, Examination, batches, name_customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.engine.load import LoadedCustomer, load_batch
from invoicing.models import ParkedCustomer, RunCustomer
from subscriptions.models import Subscription
from subscriptions.schedule import Obligation


@dataclass(slots=True)
class History:
    """A customer from their first day on, or the `error` for which their facts can't be read.

    `at_rest`: neither parked nor in a run nor due, so that a close has nothing to do for them. `reconciled` says, by
    subscription, up to when a close takes everything for settled.
    """

    customer_id: uuid.UUID
    name: str
    loaded: LoadedCustomer | None
    error: BillingError | None
    parked: bool
    at_rest: bool
    reconciled: dict[uuid.UUID, datetime]


def histories(exam: Examination) -> Iterator[History]:
    """Every customer with subscriptions, in the order of their ids."""
    owners = Customer.objects.filter(pk__in=Subscription.objects.values("customer_id"))
    for ids in batches(owners, CUSTOMERS_AT_ONCE):
        names = {
            customer_id: name_customer(name, key, customer_id)
            for customer_id, name, key in Customer.objects.filter(pk__in=ids).values_list("id", "name", "key")
        }
        loaded, errors = _load(ids)
        parked = set(
            ParkedCustomer.objects.filter(customer_id__in=ids, released_at=None).values_list("customer_id", flat=True)
        )
        busy = set(
            RunCustomer.objects.filter(customer_id__in=ids, outcome=CustomerOutcome.PENDING)
            .exclude(run__status=RunStatus.DONE)
            .values_list("customer_id", flat=True)
        )
        reconciled: dict[uuid.UUID, dict[uuid.UUID, datetime]] = {}
        subscriptions = Subscription.objects.filter(customer_id__in=ids)
        for pk, customer_id, reconcile_from, next_billing_at in subscriptions.values_list(
            "id", "customer_id", "reconcile_from", "next_billing_at"
        ):
            reconciled.setdefault(customer_id, {})[pk] = reconcile_from
            if next_billing_at is not None and next_billing_at <= exam.as_of:
                busy.add(customer_id)
        for customer_id in ids:
            yield History(
                customer_id=customer_id,
                name=names[customer_id],
                loaded=loaded.get(customer_id),
                error=errors.get(customer_id),
                parked=customer_id in parked,
                at_rest=customer_id not in parked and customer_id not in busy,
                reconciled=reconciled.get(customer_id, {}),
            )


def name_item(obligation: Obligation, customer: str) -> str:
    """An item as findings name it."""
    return f"Item {obligation.item.running_number} ({obligation.item.key}) of {customer}"


def _load(ids: Collection[uuid.UUID]) -> tuple[dict[uuid.UUID, LoadedCustomer], dict[uuid.UUID, BillingError]]:
    """Load together; where that fails, each alone, so that the one whose facts can't be read is known."""
    try:
        return {loaded.id: loaded for loaded in load_batch(ids, whole_history=True).customers}, {}
    except BillingError as error:
        if len(ids) == 1:
            return {}, dict.fromkeys(ids, error)
    found: dict[uuid.UUID, LoadedCustomer] = {}
    errors: dict[uuid.UUID, BillingError] = {}
    for customer_id in ids:
        one, failed = _load([customer_id])
        found |= one
        errors |= failed
    return found, errors
