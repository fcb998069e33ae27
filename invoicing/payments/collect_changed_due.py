"""Has an invoice charged whose amount could never be charged, once another amount is due on it."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, OuterRef, Subquery

from customers.choices import CollectionMethod
from invoicing.choices import OPEN_STATUSES, PaymentStatus
from invoicing.gateways.never import BY_AMOUNT
from invoicing.models import Invoice, Payment

BATCH_SIZE = 500


@transaction.atomic
def collect_changed_due(*, as_of: datetime) -> int:
    """Plan the charge of invoices whose latest one failed by its amount, and on which another amount is due since: by a
    receipt, a credit note, a balance. Returns how many were planned. Repeating it plans none anew: the next charge is
    of what is due then. Money that was given back past us is not charged again by itself.
    """
    latest = Payment.objects.filter(invoice=OuterRef("invoice"), attempt__isnull=False).order_by("-attempt")
    stopped = (
        Payment.objects.filter(
            status=PaymentStatus.FAILED,
            failure_code__in=sorted(BY_AMOUNT),
            invoice__status__in=OPEN_STATUSES,
            invoice__due__gt=0,
            invoice__refunded=0,
            invoice__next_collection_at=None,
            invoice__collection_method=CollectionMethod.CHARGE_AUTOMATICALLY,
            pk=Subquery(latest.values("pk")[:1]),
        )
        .exclude(amount=F("invoice__due"))
        .values_list("invoice_id", flat=True)
    )
    changed = Invoice.objects.select_for_update(skip_locked=True).filter(pk__in=list(stopped[:BATCH_SIZE]))
    ids = list(changed.filter(next_collection_at=None, due__gt=0).values_list("pk", flat=True))
    return Invoice.objects.filter(pk__in=ids).update(next_collection_at=as_of, updated_at=as_of) if ids else 0
