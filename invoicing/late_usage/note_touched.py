"""Notes where late usage is to be looked for: of which customers settled windows hold hours that have changed."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from core.bulk import array_text, ids_array, times_array
from core.locks import share_free_customers
from entitlements.metering.touched import Reader, Touched, claim_touched
from invoicing.models import LateUsageLook

MARKS_AT_ONCE = 200
_HOUR = timedelta(hours=1)

_WHOSE = """
    SELECT DISTINCT subject.customer_id, touched.meter_id, touched.hour
    FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS touched(meter_id, subject, hour)
    CROSS JOIN LATERAL (
        SELECT customer_id, active_from, deleted_at FROM customers_usagesubject
        WHERE key = touched.subject AND deleted_at IS NULL
        UNION ALL
        SELECT customer_id, active_from, deleted_at FROM customers_usagesubject
        WHERE key = touched.subject AND deleted_at IS NOT NULL
    ) AS subject
    WHERE (subject.active_from IS NULL OR subject.active_from < touched.hour + interval '1 hour')
        AND (subject.deleted_at IS NULL OR subject.deleted_at > touched.hour)
"""

_SETTLED = """
    SELECT touched.customer_id, touched.hour
    FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[]) AS touched(customer_id, meter_id, hour)
    WHERE EXISTS (
        SELECT FROM subscriptions_subscription subscription
        JOIN subscriptions_subscriptionitem item ON item.subscription_id = subscription.id
        CROSS JOIN LATERAL (
            -- The last that begins before the hour ends, and one that begins within the hour.
            SELECT span FROM invoicing_billedwindow
            WHERE item_id = item.id AND lower(span) < touched.hour + interval '1 hour'
            ORDER BY lower(span) DESC LIMIT 2
        ) AS settled
        WHERE subscription.customer_id = touched.customer_id
            AND (upper(settled.span) IS NULL OR upper(settled.span) > touched.hour)
            AND EXISTS (
                SELECT FROM subscriptions_itemrevision revision
                JOIN entitlements_feature feature ON feature.id = revision.feature_id
                WHERE revision.item_id = item.id AND feature.meter_id = touched.meter_id
                    AND revision.price->>'type' <> 'flat')
    )
"""


def note_touched(*, pieces: int = 50) -> int:
    """Take the marks of hours that have changed, `pieces` times some hundred at most, and note where settled windows
    hold such hours; returns how many marks were taken.

    Each piece is a short transaction of its own, since ingests into its hours wait for it, and it waits for nobody. Of
    a customer whom a close holds just now it can't be known what will be settled: they are noted all the same.
    """
    taken = 0
    for _ in range(pieces):
        found = _note_some()
        taken += found
        if found < MARKS_AT_ONCE:
            break
    return taken


@transaction.atomic
def _note_some() -> int:
    marks = claim_touched(Reader.LATE_USAGE, limit=MARKS_AT_ONCE)
    if marks:
        LateUsageLook.objects.bulk_create(
            LateUsageLook(customer_id=customer_id, since=min(hours), until=max(hours) + _HOUR)
            for customer_id, hours in sorted(_to_look_at(marks).items())
        )
    return len(marks)


def _to_look_at(marks: Sequence[Touched]) -> dict[uuid.UUID, list[datetime]]:
    """The hours of these marks that settled windows hold, or may hold in a moment, by customer. Four queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WHOSE,
            [
                ids_array(mark.meter_id for mark in marks),
                array_text((mark.subject for mark in marks), quoted=True),
                times_array([mark.hour for mark in marks]),
            ],
        )
        touched: list[tuple[uuid.UUID, uuid.UUID, datetime]] = cursor.fetchall()
        # Before the look at windows: what a close has stored by then is seen, and none begins until the marks are gone.
        free = share_free_customers({customer_id for customer_id, _, _ in touched})
        cursor.execute(
            _SETTLED,
            [
                ids_array(customer_id for customer_id, _, _ in touched),
                ids_array(meter_id for _, meter_id, _ in touched),
                times_array([hour for _, _, hour in touched]),
            ],
        )
        settled = cursor.fetchall()
    hours: dict[uuid.UUID, list[datetime]] = defaultdict(list)
    for customer_id, hour in settled:
        hours[customer_id].append(hour)
    for customer_id, _, hour in touched:
        if customer_id not in free:
            hours[customer_id].append(hour)
    return hours
