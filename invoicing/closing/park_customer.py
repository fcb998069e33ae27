"""Parks customers whose close failed: they are left out of runs until staff release them."""

import uuid
from collections.abc import Mapping

from django.db.models import Exists, OuterRef

from core import clock
from core.errors import BillingError
from invoicing.models import ParkedCustomer


def park_customers(failures: Mapping[uuid.UUID, BillingError], *, run_id: uuid.UUID | None) -> None:
    """Park each of these customers with its cause. Who is parked already stays so, with the first cause."""
    ParkedCustomer.objects.bulk_create(
        [
            ParkedCustomer(
                customer_id=customer_id,
                run_id=run_id,
                parked_at=clock.now(),
                cause_code=error.code,
                cause=error.message,
            )
            for customer_id, error in failures.items()
        ],
        ignore_conflicts=True,
    )


def is_parked(customer_field: str = "customer_id") -> Exists:
    """Whether the customer that the outer query's `customer_field` names is parked."""
    return Exists(ParkedCustomer.objects.still_parked().filter(customer_id=OuterRef(customer_field)))


def parked_customer(customer_id: uuid.UUID) -> ParkedCustomer | None:
    """Why this customer is parked; None where they are not."""
    parked = ParkedCustomer.objects.still_parked().filter(customer_id=customer_id)
    return parked.select_related("customer").first()
