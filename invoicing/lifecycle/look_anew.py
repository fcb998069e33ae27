"""Has drafts looked at anew for what is unusual about them, where something beside their own lines has changed."""

import uuid
from collections.abc import Collection

from invoicing.models import BilledWindow, Invoice


def look_anew(window_ids: Collection[uuid.UUID]) -> None:
    """Forget what was unusual about the drafts that bill these windows: the next look finds out. One statement."""
    if not window_ids:
        return
    windows = BilledWindow.objects.filter(pk__in=window_ids, invoice__isnull=False)
    drafts = Invoice.objects.filter(
        pk__in=windows.order_by().values("invoice"), issued_at__isnull=True, anomaly_rank__isnull=False
    )
    drafts.update(anomalies=None, anomaly_rank=None)
