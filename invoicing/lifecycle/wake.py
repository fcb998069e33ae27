"""Makes a customer due earlier, where no subscription does: for charges by hand (billing rules 6)."""

import uuid
from datetime import datetime

from django.db import connection

# Only ever earlier: a look too early writes nothing, and sets the time exactly.
_WAKE = """
    INSERT INTO invoicing_billingdue AS due (customer_id, currency, due_at) VALUES (%s, %s, %s)
    ON CONFLICT (customer_id, currency) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at)
"""


def wake(customer_id: uuid.UUID, currency: str, at: datetime) -> None:
    """Have the customer looked at, for what they are billed in `currency`, at `at` (UTC) at the latest."""
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, [customer_id, currency, at])
