"""Tells the close that a subscription's facts changed."""

from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Greatest, Least

from core import clock
from subscriptions.models import Subscription


def mark_for_billing(*, subscription: Subscription, changed_from: datetime, due_at: datetime | None = None) -> None:
    """Lines from `changed_from` on may differ from the facts; the difference falls due at `due_at` (default: now).

    Both columns only ever move back, in the database itself, so that a stale copy in memory undoes nothing. Call it
    behind the customer's lock.
    """
    Subscription.objects.filter(pk=subscription.pk).update(
        reconcile_from=Least(F("reconcile_from"), Value(changed_from)),
        # PostgreSQL's LEAST passes over nulls: nothing was due before, this is now.
        next_billing_at=Least(F("next_billing_at"), Value(due_at or clock.now())),
        # By which the database tells that something changed (`invoicing/models/followers.py`): never the same twice,
        # not even where the clock stands still.
        updated_at=Greatest(Value(clock.now()), F("updated_at") + timedelta.resolution),
    )
    subscription.refresh_from_db(fields=["reconcile_from", "next_billing_at", "updated_at"])
