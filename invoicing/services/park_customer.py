"""Parks customers whose close failed: they are left out of runs until staff release them."""

import uuid
from collections.abc import Mapping

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
