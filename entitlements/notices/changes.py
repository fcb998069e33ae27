"""Turns what has changed, usage, grants, entitlements and resets, into times at which entitlements are looked at.

Billing rules 9. By any number of workers at once.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence

from django.db import connection, transaction

from core import clock
from core.notifications.choices import EventType
from core.notifications.selectors import rules_in_force
from customers.attribution import Attribution
from customers.effective_settings import anyone_spends_to_a_threshold, spending_threshold, terms_of
from customers.selectors import owners_of
from entitlements.access.selectors import active_at
from entitlements.choices import EntitlementType
from entitlements.metering.touched import Reader, Touched, claim_touched
from entitlements.models import Entitlement, EntitlementChange, SpendingChange

BATCH_SIZE = 1000
# Ingests into the hours of a batch wait for its end.
HOURS_AT_ONCE = 500

# What was due before stays to be seen; of what is written backwards, no usage period that is over is told.
_MAKE_DUE = """
    WITH changed AS (
        DELETE FROM entitlements_entitlementchange WHERE id IN (
            SELECT id FROM entitlements_entitlementchange ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING customer_id, feature_key, at, reset
    )
    INSERT INTO entitlements_entitlementdue AS due (customer_id, feature_key, due_at, seen_to, resets)
    SELECT customer_id, feature_key, min(at), min(at), COALESCE(array_agg(reset) FILTER (WHERE reset IS NOT NULL), '{}')
    FROM changed GROUP BY customer_id, feature_key ORDER BY customer_id, feature_key
    ON CONFLICT (customer_id, feature_key) DO UPDATE SET
        due_at = least(due.due_at, excluded.due_at),
        seen_to = greatest(due.seen_to, least(due.due_at - interval '1 microsecond', excluded.seen_to)),
        resets = due.resets || excluded.resets
"""


@transaction.atomic
def make_due() -> bool:
    """Make due whatever some of the changes are of; whether there were any. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_DUE, [BATCH_SIZE])
        return bool(cursor.rowcount)


@transaction.atomic
def note_usage() -> bool:
    """Note a change for whoever has the subjects whose usage has changed, some of it; whether there was any. A few
    queries. Where nobody has a threshold, of a balance or of spending, the marks are taken away, and that is all."""
    touched = claim_touched(Reader.THRESHOLDS, limit=HOURS_AT_ONCE)
    if not touched:
        return False
    spends, has_rules = anyone_spends_to_a_threshold(), rules_in_force(EventType.BALANCE_THRESHOLD).exists()
    if not spends and not has_rules:
        return True
    owners = owners_of({each.subject for each in touched})
    if spends:
        _note_spending({owner for found in owners.values() for _, owner in found})
    if has_rules:
        _note_entitlements(touched, owners)
    return True


def _note_spending(customer_ids: Collection[uuid.UUID]) -> None:
    """Have those looked at who are billed whenever their spending reaches a threshold."""
    watched = sorted(key for key, terms in terms_of(customer_ids).items() if spending_threshold(terms) is not None)
    SpendingChange.objects.bulk_create(SpendingChange(customer_id=customer_id) for customer_id in watched)


def _note_entitlements(
    touched: Sequence[Touched], owners: Mapping[str, Sequence[tuple[Attribution, uuid.UUID]]]
) -> None:
    now = clock.now()
    changed = {(each.meter_id, owner) for each in touched for _, owner in owners.get(each.subject, ())}
    found = Entitlement.objects.filter(
        active_at(now),
        type=EntitlementType.METERED,
        feature__meter_id__in={meter for meter, _ in changed},
        customer_id__in={owner for _, owner in changed},
    ).values_list("feature__meter_id", "customer_id", "feature_key")
    pairs = sorted({(customer, key) for meter, customer, key in found if (meter, customer) in changed})
    EntitlementChange.objects.bulk_create(
        EntitlementChange(customer_id=customer, feature_key=key, at=now) for customer, key in pairs
    )
