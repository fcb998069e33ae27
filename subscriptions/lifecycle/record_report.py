"""Records what was used of an item without a meter, for one of its periods."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import InvalidInput, field_error
from core.locks import lock_customers
from core.money import trimmed
from core.periods import Period
from subscriptions.choices import UpdateAction
from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.selectors import item_period, revision_at
from subscriptions.models import ItemRevision, QuantityReport, Subscription, SubscriptionItem
from subscriptions.pricing import parse_price
from subscriptions.schedule import obligations


def reported_period(*, item: SubscriptionItem, usage_period_start: datetime | None = None) -> Period:
    """The period that a report would be for: the one that holds `usage_period_start`, by default now (UTC). Where a
    pause or a cut divides a period, the part that is billed as one.

    InvalidInput where the item takes no reports, is not active then, or that period has not begun yet.
    """
    now = clock.now()
    moment = usage_period_start or now
    revision = revision_at(item, moment)
    if revision is None:
        raise _not_active(item, moment)
    _check_takes_reports(item, revision)
    period = item_period(revision, moment)
    assert period is not None  # usage-priced items always have a cadence
    if period.start > now:
        raise field_error(
            "usagePeriodStart",
            "period_not_begun",
            f"The period from {period.start:%Y-%m-%d %H:%M} UTC has not begun; nothing was recorded.",
        )
    window = _window_at(item, moment)
    if window is None:
        raise _not_active(item, moment)
    return window


def _window_at(item: SubscriptionItem, moment: datetime) -> Period | None:
    """The time that is billed as one and holds `moment`: pauses and cuts divide a period. None while it is paused."""
    [loaded] = load_subscriptions(Subscription.objects.filter(pk=item.subscription_id))
    for owed in obligations(loaded.facts, since=moment, as_of=moment):
        if owed.item.id == item.id and owed.start <= moment < owed.end:
            return Period(owed.start, owed.end)
    return None


def _not_active(item: SubscriptionItem, moment: datetime) -> InvalidInput:
    return field_error(
        "usagePeriodStart",
        "item_not_active",
        f"Item {item.running_number} ({item.key}) is not active at {moment:%Y-%m-%d %H:%M} UTC; "
        "nothing was recorded. Name a period of the item with usagePeriodStart.",
    )


@transaction.atomic
def record_report(
    *,
    item: SubscriptionItem,
    quantity: Decimal,
    usage_period_start: datetime | None = None,
    action: str = UpdateAction.UPDATE,
    late: bool = False,
) -> QuantityReport:
    """Record `quantity` for the period that holds `usage_period_start`, by default the current one (billing rules 4).

    The last report before the period's snapshot wins. The caller, who can see invoices, says whether that snapshot was
    taken: a `late` report is kept, and bills nothing by itself (billing rules 6). Repeating the last report adds none.
    InvalidInput for a quantity below zero, a period that is none or has not begun, and an item whose usage nobody
    reports.
    """
    lock_customers([item.subscription.customer_id])
    if quantity < 0:
        raise field_error("quantity", "negative", "The quantity must not be negative; nothing was recorded.")
    period = reported_period(item=item, usage_period_start=usage_period_start)
    last = QuantityReport.objects.filter(item=item, period_start=period.start).order_by("reported_at", "id").last()
    if last is not None and (last.quantity, last.late) == (quantity, late):
        return last
    report = QuantityReport.objects.create(
        item=item, period_start=period.start, quantity=quantity, action=action, late=late
    )
    if not late:
        facts_changed(subscription=item.subscription, changed_from=period.start, due_at=max(clock.now(), period.end))
    record(
        verb="subscription.quantity_reported",
        target=item.subscription,
        did=(
            f"reported {trimmed(quantity)} for {item} of {item.subscription}, "
            f"period from {period.start:%Y-%m-%d %H:%M} UTC{' (late)' if late else ''}"
        ),
        customer_id=item.subscription.customer_id,
    )
    return report


def _check_takes_reports(item: SubscriptionItem, revision: ItemRevision) -> None:
    price = parse_price(revision.price)
    if price is None or price.is_flat:
        raise field_error(
            "quantity",
            "not_a_usage_item",
            f"Item {item.running_number} ({item.key}) is not billed by usage; nothing was recorded.",
        )
    if revision.feature is not None and revision.feature.meter_id is not None:
        raise field_error(
            "quantity",
            "metered_item",
            f"Item {item.running_number} ({item.key}) is metered by {revision.feature.meter}; nothing was recorded. "
            "Send usage events instead.",
        )
