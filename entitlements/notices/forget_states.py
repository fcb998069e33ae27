"""Forgets what rules have seen of usage periods that are over."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from core import clock
from core.bulk import delete_rows
from core.many_ids import among
from entitlements.access.burndown import counted_from
from entitlements.access.chains import chained_timelines
from entitlements.access.selectors import active_at, entitlements_with_facts
from entitlements.choices import EntitlementType
from entitlements.models import ThresholdState

BATCH_SIZE = 500


def forget_states() -> int:
    """Delete what rules have seen of usage periods that began `NOTICE_RETENTION_DAYS` and longer ago and are over; how
    many rows there were. None where that is 0. What is seen of a period that goes on stays, or it would be told again.
    """
    if not settings.NOTICE_RETENTION_DAYS:
        return 0
    now = clock.now()
    before = now - timedelta(days=settings.NOTICE_RETENTION_DAYS)
    forgotten, last = 0, None
    while batch := _next(before, last):
        last = batch[-1].period_start, batch[-1].pk
        forgotten += _forget(batch, now)
    return forgotten


def _next(before: datetime, last: tuple[datetime, uuid.UUID] | None) -> list[ThresholdState]:
    old = ThresholdState.objects.filter(period_start__lt=before)
    if last is not None:
        at, state_id = last
        old = old.filter(Q(period_start__gt=at) | Q(period_start=at, pk__gt=state_id), period_start__gte=at)
    return list(old.order_by("period_start", "id")[:BATCH_SIZE])


@transaction.atomic
def _forget(states: list[ThresholdState], now: datetime) -> int:
    entitlements = list(
        among(
            entitlements_with_facts().filter(active_at(now), type=EntitlementType.METERED),
            "customer_id",
            {state.customer_id for state in states},
        ).filter(feature_id__in={state.feature_id for state in states})
    )
    timelines = chained_timelines(entitlements)
    current = {(each.customer_id, each.feature_id, counted_from(timelines[each.pk], now)) for each in entitlements}
    over = [state.pk for state in states if (state.customer_id, state.feature_id, state.period_start) not in current]
    delete_rows(ThresholdState, over)
    return len(over)
