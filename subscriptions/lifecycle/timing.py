"""Owns when a change takes effect: at once, at the next billing cycle, or at a given moment."""

from datetime import datetime
from typing import Final

from core.periods import CADENCES
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.models import Subscription
from subscriptions.schedule.billing_calendar import period_at

IMMEDIATE: Final = "immediate"
NEXT_BILLING_CYCLE: Final = "next_billing_cycle"

Timing = datetime | str


def moment_of(timing: Timing, *, subscription: Subscription, now: datetime) -> datetime:
    """The moment (UTC) that `timing` means for `subscription` as of `now`.

    The next cycle is the one after that which holds `now`; before the subscription's start it is its first.
    """
    if isinstance(timing, datetime):
        return timing
    if timing == IMMEDIATE:
        return now
    if now < subscription.active_from:
        return subscription.active_from
    calendar = calendar_of(subscription)
    return period_at(calendar, calendar.cadence, now).end


def periods_touched(subscription: Subscription, moment: datetime) -> datetime:
    """The earliest start of the periods, of any of its items' cadences, that hold `moment`: from there on lines may
    differ once something changes at `moment`. One query."""
    calendar = calendar_of(subscription)
    texts = subscription.items.values_list("revisions__billing_cadence", flat=True).distinct()
    cadences = {calendar.cadence} | {CADENCES[text] for text in texts if text is not None}
    start = min(period_at(calendar, cadence, moment).start for cadence in cadences)
    return max(start, subscription.active_from)
