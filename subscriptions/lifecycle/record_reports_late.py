"""Records that reports which were billed as late usage are late again: what had billed them counts no more."""

import uuid
from datetime import datetime

from subscriptions.models import QuantityReport


def record_reports_late(*, item_id: uuid.UUID, start: datetime, end: datetime, after: datetime | None) -> None:
    """Reports of the item for the period `[start, end)` that were made later than `after` (None: all) count no more
    (billing rules 6). In the caller's transaction, which holds the customer's lock. One statement."""
    reports = QuantityReport.objects.filter(item_id=item_id, period_start__gte=start, period_start__lt=end, late=False)
    if after is not None:
        reports = reports.filter(reported_at__gt=after)
    reports.update(late=True)
