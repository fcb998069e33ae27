"""Gives up on invoices whose dunning plan has come to its end, where their profile said so (billing rules 11)."""

import math
import time
import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from core.locks import lock_customers
from customers.choices import CollectionMethod
from invoicing.choices import InvoiceStatus, PaymentStatus
from invoicing.gateways.never import NEVER_CHARGED
from invoicing.models import Invoice, Payment
from invoicing.payments.write_off import give_up

BATCH_SIZE = 100
REASON = "The last try of the dunning plan failed."


def end_dunning(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Mark overdue invoices uncollectible whose last planned charge failed, or was never confirmed; how many.

    Only those whose frozen settings say `uncollectible_after_dunning`. An open charge is ended at the provider by the
    next reconciliation. What comes in after all is booked. Repeating it changes nothing. After `seconds` it ends with
    the batch that is under way, and leaves the rest.
    """
    ends_at = time.monotonic() + seconds
    marked = 0
    while ids := list(_ended(as_of).values_list("id", "customer_id")[:BATCH_SIZE]):
        done = _give_up(ids, as_of)
        marked += done
        if not done or time.monotonic() > ends_at:
            break
    return marked


@transaction.atomic
def _give_up(ids: list[tuple[uuid.UUID, uuid.UUID]], as_of: datetime) -> int:
    lock_customers([customer_id for _, customer_id in ids])
    # Looked at again behind the locks: a payment may have come in meanwhile.
    still = _ended(as_of).filter(pk__in=[invoice_id for invoice_id, _ in ids])
    invoices = list(still.select_for_update(of=("self",), skip_locked=True).select_related("customer"))
    for invoice in invoices:
        give_up(invoice, REASON)
    return len(invoices)


def _ended(as_of: datetime) -> QuerySet[Invoice]:
    charges = Payment.objects.filter(invoice=OuterRef("pk"), attempt__isnull=False).order_by("-attempt")
    return (
        Invoice.objects.filter(
            status=InvoiceStatus.OVERDUE,
            # As in the index of ended dunning, or everything overdue is read.
            due__gt=0,
            due_at__lte=as_of,
            next_collection_at=None,
            collection_method=CollectionMethod.CHARGE_AUTOMATICALLY,
            workflow_snapshot__values__uncollectible_after_dunning=True,
        )
        .annotate(
            last_charge=Subquery(charges.values("status")[:1]), last_code=Subquery(charges.values("failure_code")[:1])
        )
        # What could never be charged is no customer's failure: staff decide.
        .exclude(last_code__in=NEVER_CHARGED)
        .filter(last_charge__in=[PaymentStatus.FAILED, PaymentStatus.ACTION_REQUIRED])
        .order_by("due_at", "id")
    )
