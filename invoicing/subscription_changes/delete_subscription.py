"""Deletes a subscription that has not begun."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.locks import lock_customers
from invoicing.choices import InvoiceStatus
from invoicing.models import InvoiceLine
from subscriptions.errors import NotScheduled
from subscriptions.lifecycle.entitle import settle_entitlements
from subscriptions.lifecycle.states import MOVES, Verb, status_at
from subscriptions.models import Subscription


@transaction.atomic
def delete_subscription(*, subscription: Subscription) -> None:
    """Remove a scheduled subscription, with what waits for it on the gathering invoice.

    `NotScheduled` once it has begun, or anything of it was billed.
    """
    customer_id = subscription.customer_id
    lock_customers([customer_id])
    lines = InvoiceLine.objects.filter(subscription=subscription)
    waiting = lines.filter(invoice__status=InvoiceStatus.GATHERING)
    begun = status_at(subscription, clock.now()) not in MOVES[Verb.DELETE].statuses
    if begun or lines.exclude(invoice__status=InvoiceStatus.GATHERING).exists():
        raise NotScheduled(subscription.active_from)
    waiting.delete()
    if subscription.previous is not None:
        # Nobody takes its period over any more: its own last line closes it.
        subscription.previous.items.filter(continued_at=subscription.active_from).update(continued_at=None)
    record(
        verb="subscription.deleted",
        target=subscription,
        did=f"deleted {subscription}, which was to begin on {subscription.active_from:%Y-%m-%d %H:%M} UTC",
        customer_id=subscription.customer_id,
    )
    subscription.delete()
    settle_entitlements(customer_id)
