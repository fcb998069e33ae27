"""Tells of the invoices that were made or have changed, seconds after, as REST shows them at that moment."""

import logging
import math
import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from core.ids import to_text
from core.notifications.choices import EventType
from core.notifications.services.record_events import Cause, record_events
from invoicing.api.lifecycle.invoice_serializers import InvoiceSerializer
from invoicing.lifecycle.selectors import invoices_for_display
from invoicing.models import Invoice, InvoiceNews

logger = logging.getLogger(__name__)

BATCH_SIZE = 100


def tell_news(*, seconds: float = math.inf) -> int:
    """Make the events that the news so far ask for, until none is left or `seconds` have passed; returns how many news
    were told. By any number of workers at once.

    What changed several times since the last look is told once. Of one invoice, that it was made comes first.
    """
    ends_at = time.monotonic() + seconds
    told = 0
    while done := _tell_batch():
        told += done
        if time.monotonic() > ends_at:
            break
    return told


@transaction.atomic
def _tell_batch() -> int:
    news = list(InvoiceNews.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH_SIZE])
    if not news:
        return 0
    shown = _shown({each.invoice_id for each in news})
    for kind in (EventType.INVOICE_CREATED, EventType.INVOICE_UPDATED):
        latest = {each.invoice_id: each for each in news if each.kind == kind and each.invoice_id in shown}
        causes = [
            Cause(
                key=f"news:{each.pk}",
                data=shown[each.invoice_id][1],
                at=each.at,
                customer_id=shown[each.invoice_id][0].customer_id,
            )
            for each in latest.values()
        ]
        record_events(kind, causes)
    InvoiceNews.objects.filter(pk__in=[each.pk for each in news]).delete()
    return len(news)


def _shown(ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Invoice, Mapping[str, Any]]]:
    """These invoices and what REST shows of them, with their lines. Three queries."""
    found = {}
    for invoice in invoices_for_display(lines=True).filter(pk__in=ids):
        try:
            found[invoice.pk] = (invoice, InvoiceSerializer(invoice, context={"lines": True}).data)
        except Exception:  # one that can't be shown keeps no other waiting
            logger.exception("the invoice %s can't be told of", to_text(invoice.pk))
    return found
