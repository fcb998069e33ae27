"""Loads customers with their whole billing history, a batch at a time, for the checks that need it."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from core.batches import together_or_alone
from core.errors import BillingError
from customers.models import Customer
from invoicing.books.examination import Examination, name_customer
from invoicing.choices import CustomerOutcome, RunStatus
from invoicing.closing.close import as_cause
from invoicing.closing.load import LoadedCustomer, load_batch
from invoicing.models import BillingDue, ParkedCustomer, RunCustomer
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


def subscribers() -> QuerySet[Customer]:
    """Every customer with subscriptions."""
    return Customer.objects.filter(pk__in=Subscription.objects.values("customer_id"))


def histories(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[History]:
    """The histories of these customers."""
    names = {
        customer_id: name_customer(name, key, customer_id)
        for customer_id, name, key in Customer.objects.filter(pk__in=ids).values_list("id", "name", "key")
    }
    loaded, errors = _load(ids)
    parked = set(
        ParkedCustomer.objects.still_parked().filter(customer_id__in=ids).values_list("customer_id", flat=True)
    )
    busy = set(
        RunCustomer.objects.filter(customer_id__in=ids, outcome=CustomerOutcome.PENDING)
        .exclude(run__status=RunStatus.DONE)
        .values_list("customer_id", flat=True)
    )
    reconciled: dict[uuid.UUID, dict[uuid.UUID, datetime]] = {}
    subscriptions = Subscription.objects.filter(customer_id__in=ids)
    for pk, customer_id, reconcile_from in subscriptions.values_list("id", "customer_id", "reconcile_from"):
        reconciled.setdefault(customer_id, {})[pk] = reconcile_from
    due = BillingDue.objects.filter(customer_id__in=ids, due_at__lte=exam.as_of)
    busy.update(due.values_list("customer_id", flat=True))
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


def _load(ids: Sequence[uuid.UUID]) -> tuple[dict[uuid.UUID, LoadedCustomer], dict[uuid.UUID, BillingError]]:
    """Load together; where that fails, each alone, so that the one whose facts can't be read is known."""
    errors: dict[uuid.UUID, BillingError] = {}

    def act(ids: Collection[uuid.UUID]) -> list[LoadedCustomer]:
        with transaction.atomic():
            return load_batch(ids, whole_history=True).customers

    def fail(customer_id: uuid.UUID, error: Exception) -> list[LoadedCustomer]:
        errors[customer_id] = as_cause(error, customer_id)
        return []

    found = together_or_alone(ids, act=act, fail=fail)
    return {loaded.id: loaded for customers in found for loaded in customers}, errors
