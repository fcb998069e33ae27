"""Records that reports which came after a period's snapshot are in time for its next one: the period is open again."""

import uuid
from collections.abc import Collection

from subscriptions.models import QuantityReport


def record_reports_in_time(report_ids: Collection[uuid.UUID]) -> None:
    """These reports count from now on; the last one of a period wins, as always (billing rules 4).

    In the caller's transaction, which holds the customers' locks and opens the periods. One statement.
    """
    QuantityReport.objects.filter(pk__in=report_ids, late=True).update(late=False)
