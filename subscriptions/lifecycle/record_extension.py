"""Moves the end of an item's current period out (billing rules 4, `extendInterval`)."""

from datetime import datetime

from django.db import transaction

from core.audit.services.record import record
from core.errors import field_error
from core.locks import lock_customers
from core.periods import Period, parse_cadence
from subscriptions.errors import PeriodExtendedBefore
from subscriptions.lifecycle.coupon_periods import coupons_recounted
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.selectors import item_period, revision_at
from subscriptions.models import Subscription, SubscriptionItem
from subscriptions.schedule.billing_calendar import extension, shift_to_json


@transaction.atomic
def record_extension(*, item: SubscriptionItem, at: datetime) -> Period:
    """Let the period that holds `at` (UTC) last a full cadence from `at` on, for all items of that cadence.

    Later boundaries are counted from the new end, and so are the periods of coupons. Answers the extended period; where
    it would not become longer, nothing changes. InvalidInput where the item has no period at that time,
    PeriodExtendedBefore (Conflict) where it was extended before.
    """
    lock_customers([item.subscription.customer_id])
    # The shifts may have changed since the caller read them; the lock keeps them still from here on.
    subscription = Subscription.objects.get(pk=item.subscription_id)
    item.subscription.anchor_shifts = subscription.anchor_shifts
    revision = revision_at(item, at)
    period = item_period(revision, at) if revision else None
    cadence = parse_cadence(revision.billing_cadence) if revision else None
    if revision is None or period is None or cadence is None:
        raise field_error(
            "alignment.extendInterval",
            "no_period",
            f"Item {item.running_number} ({item.key}) has no billing period at {at:%Y-%m-%d %H:%M} UTC; "
            "nothing was changed.",
        )
    try:
        shift = extension(calendar_of(subscription), cadence, at)
    except ValueError as error:
        raise PeriodExtendedBefore(item=str(item), end=period.end) from error
    if shift is None:
        return period
    with coupons_recounted(subscription):
        item.subscription.anchor_shifts = [*subscription.anchor_shifts, shift_to_json(shift)]
        item.subscription.save(update_fields=["anchor_shifts", "updated_at"])
    facts_changed(subscription=item.subscription, changed_from=period.start)
    extended = item_period(revision, at)
    assert extended is not None
    record(
        verb="subscription.period_extended",
        target=item.subscription,
        did=(
            f"extended the period of {item} of {item.subscription} from {period.start:%Y-%m-%d %H:%M} "
            f"to {extended.end:%Y-%m-%d %H:%M} UTC"
        ),
        changes={"periodEnd": [period.end.isoformat(), extended.end.isoformat()]},
        customer_id=item.subscription.customer_id,
    )
    return extended
