"""Stores when customers are due next: the one time that the schedule asks for (billing rules 6)."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection

from core.bulk import array_text, ids_array, times_array

# In the order of the rows' key, as everybody who changes many of them, so that nobody waits in a ring.
_SETTLE = """
    WITH settled AS (
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS t(customer_id, currency, due_at)
    ), gone AS (
        DELETE FROM invoicing_billingdue due
        WHERE due.customer_id = ANY(%s::uuid[]) AND NOT EXISTS (
            SELECT FROM settled WHERE settled.customer_id = due.customer_id AND settled.currency = due.currency)
    )
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at)
    SELECT customer_id, currency, due_at FROM settled ORDER BY customer_id, currency
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = EXCLUDED.due_at
    WHERE due.due_at <> EXCLUDED.due_at
"""


def set_due_times(customer_ids: Collection[uuid.UUID], due_at: Mapping[tuple[uuid.UUID, str], datetime]) -> None:
    """These customers are due when `due_at` says, by customer and currency, and not at all otherwise.

    In the transaction that holds their locks, once their subscriptions are written. One statement.
    """
    if not customer_ids:
        return
    keys, moments = list(due_at), list(due_at.values())
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            [
                ids_array(customer_id for customer_id, _ in keys),
                array_text((currency for _, currency in keys), quoted=True),
                times_array(moments),
                ids_array(customer_ids),
            ],
        )
