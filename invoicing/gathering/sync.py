"""Brings gathering invoices up to date with the facts, without billing anything."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from core.locks import lock_customers
from invoicing.closing.close import compute, returns_none, select_none, store


@transaction.atomic
def sync_customers(customer_ids: Collection[uuid.UUID], *, as_of: datetime) -> None:
    """Write what these customers' gathering invoices, and lines of open drafts, should hold as of `as_of`.

    Call it in the transaction that changes the facts, so that the change is visible at once (billing rules 6).
    BillingError when a customer's facts can't be billed: the whole change is undone.
    """
    lock_customers(customer_ids)
    computed = compute(customer_ids, as_of=as_of, select=select_none, give_back=returns_none).or_refuse()
    store(computed, as_of=as_of, run_id=None)
