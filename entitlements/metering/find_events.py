"""Finds events for staff: by their own ids, by whose they are, and those that are nobody's."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import UsageSubject
from entitlements.metering.store.find_keys import find_keys
from entitlements.models import UsageEvent

COUNTED_UP_TO = 10_000


def of_customers(events: QuerySet[UsageEvent], customer_ids: Collection[uuid.UUID]) -> QuerySet[UsageEvent]:
    """Those of `events` that are these customers': of their subjects, in the time in which each is theirs."""
    owned = UsageSubject.objects.filter(
        Q(active_from=None) | Q(active_from__lte=OuterRef("time")),
        Q(deleted_at=None) | Q(deleted_at__gt=OuterRef("time")),
        key=OuterRef("subject"),
        customer__in=customer_ids,
    )
    theirs = UsageSubject.objects.filter(customer__in=customer_ids)
    return events.filter(Exists(owned), subject__in=theirs.values("key"))


def stored_with_id(events: QuerySet[UsageEvent], event_id: str) -> QuerySet[UsageEvent]:
    """Those of `events` with this id, of whatever source; a thousand at most. One query before that of the events."""
    found = find_keys([event_id])
    # Their times say in which months they lie.
    return events.filter(pk__in=[key.stored_as for key in found], time__in=[key.time for key in found])


@dataclass(frozen=True, slots=True)
class Unattributed:
    """A subject with events that are no customer's: how many (at most 10,001 are counted), from when to when, of which
    types."""

    subject: str
    events: int
    first: datetime
    last: datetime
    types: list[str]

    @property
    def is_capped(self) -> bool:
        return self.events > COUNTED_UP_TO


def unattributed_subjects(*, since: datetime, after: str = "", limit: int = 100) -> list[Unattributed]:
    """Subjects, in order, with events since then that are no customer's and were not reversed; from `after` on. One
    query, which goes from subject to subject by the index and reads no event of those that are a customer's at all
    times."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE known(subject) AS (
                (SELECT subject FROM entitlements_usageevent WHERE time >= %(since)s AND subject > %(after)s
                 ORDER BY subject LIMIT 1)
                UNION ALL
                SELECT (SELECT e.subject FROM entitlements_usageevent e
                        WHERE e.time >= %(since)s AND e.subject > k.subject ORDER BY e.subject LIMIT 1)
                FROM known k WHERE k.subject IS NOT NULL
            )
            SELECT k.subject, found.* FROM known k
            CROSS JOIN LATERAL (
                SELECT count(*) AS events, min(time), max(time), array_agg(DISTINCT type) FROM (
                    SELECT e.time, e.type FROM entitlements_usageevent e
                    WHERE e.subject = k.subject AND e.time >= %(since)s
                        AND NOT EXISTS (SELECT 1 FROM customers_usagesubject s WHERE s.key = k.subject
                            AND s.active_from IS NULL AND s.deleted_at IS NULL)
                        AND NOT EXISTS (SELECT 1 FROM customers_usagesubject s WHERE s.key = e.subject
                            AND (s.active_from IS NULL OR s.active_from <= e.time)
                            AND (s.deleted_at IS NULL OR e.time < s.deleted_at))
                        AND NOT EXISTS (SELECT 1 FROM entitlements_eventreversal v WHERE v.event_id = e.id)
                    LIMIT %(counted)s
                ) AS each
            ) AS found
            WHERE found.events > 0
            LIMIT %(limit)s
            """,
            {"since": since, "after": after, "counted": COUNTED_UP_TO + 1, "limit": limit},
        )
        return [Unattributed(*row) for row in cursor.fetchall()]
