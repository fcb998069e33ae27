"""Bills customers whose unbilled usage has reached their profile's threshold (billing rules 7).

Looked at is only who has used something since, as `entitlements.notices.changes` knows, and whom other terms or a
release have brought nearer to it, as the database notes (`invoicing.models.followers`). By any number of workers at
once: whoever has the customer's lock takes what is noted of them away, looks and bills in one transaction, so that a
crossing is billed once, and a worker that dies leaves it to be looked at again.
"""

import logging
import math
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from core import clock
from core.batches import together_or_alone
from core.locks import lock_customers
from customers.effective_settings import spending_threshold, terms_of
from entitlements.models import SpendingChange
from invoicing.closing.park_customer import parked_customer
from invoicing.payments.collect import collect_invoices
from invoicing.progressive.split_customer import split_customer

logger = logging.getLogger(__name__)

BATCH_SIZE = 50
SECONDS = 20.0
_A_MOMENT = timedelta(microseconds=1)


def watch_spending(*, seconds: float = math.inf) -> int:
    """Look at everybody who has used something, until nobody is left or `seconds` have passed. Returns how many
    invoices were made."""
    ends_at = time.monotonic() + seconds
    made = 0
    while True:
        noted = SpendingChange.objects.order_by("id").values_list("customer_id", flat=True)[:BATCH_SIZE]
        ids = sorted(set(noted))
        if not ids:
            return made
        made += sum(together_or_alone(ids, act=_look, fail=_leave))
        if time.monotonic() > ends_at:
            return made


def _look(customer_ids: Sequence[uuid.UUID]) -> int:
    return sum(_look_at(customer_id) for customer_id in customer_ids)


def _look_at(customer_id: uuid.UUID) -> int:
    """Bill the customer if their threshold is reached now. Returns how many invoices that made."""
    with transaction.atomic():
        lock_customers([customer_id])
        # Before usage is read: what comes in meanwhile is noted anew. Nothing is left where another worker was first.
        noted, _ = SpendingChange.objects.filter(customer_id=customer_id).delete()
        threshold = spending_threshold(terms_of([customer_id])[customer_id]) if noted else None
        if threshold is None or parked_customer(customer_id) is not None:
            return 0
        amount, currency = threshold
        # With what was used at this very moment: nobody may look again.
        invoices = split_customer(customer_id, currency, clock.now() + _A_MOMENT, at_least=amount)
    collect_invoices(invoices, as_of=clock.now())
    return len(invoices)


def _leave(customer_id: uuid.UUID, error: Exception) -> int:
    """Who can't be billed is not looked at again before they use something; the close of the period says why."""
    logger.warning("the spending of customer %s can't be looked at", customer_id, exc_info=error)
    SpendingChange.objects.filter(customer_id=customer_id).delete()
    return 0
