"""Looks at the entitlements that are due, and tells what has become of them: resets, and thresholds that were crossed.

Billing rules 9. By any number of workers at once: each holds the rows that it looks at until what it tells is stored
with the time of the next look, so that nothing is told twice, and whoever dies meanwhile leaves all of it to be done.
"""

import logging
import math
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from django.db import transaction
from django.db.models import Min, Q, QuerySet

from core import clock
from core.batches import is_away
from core.many_ids import among
from core.notifications.choices import ABOUT_FEATURES, EventType
from core.notifications.models import Rule
from core.notifications.selectors import rules_in_force
from core.notifications.services.record_events import Cause, record_events
from entitlements.access.balances import Burndown, burndowns_of, standings_at, standings_each
from entitlements.access.burndown import counted_from
from entitlements.access.chains import chained_timelines
from entitlements.access.selectors import entitlements_with_facts, ever_active
from entitlements.choices import EntitlementType
from entitlements.models import Entitlement, EntitlementDue
from entitlements.notices.changes import make_due, note_usage
from entitlements.notices.due_resets import Life, Reset
from entitlements.notices.payload import entitlements_to_tell, payload_of
from entitlements.notices.tell_thresholds import Look, tell_thresholds

logger = logging.getLogger(__name__)

BATCH_SIZE = 200
# Of one customer in one look: with more behind, the next look goes on from there.
RESETS_AT_ONCE = 12
# When one that can't be looked at is tried again.
_AGAIN = timedelta(hours=1)


def tell_due(*, seconds: float = math.inf) -> int:
    """Look at whatever is due or has changed until nothing is left or `seconds` have passed; returns how many events
    were made."""
    ends_at = time.monotonic() + seconds
    told = 0
    while True:
        is_noted, is_made_due = note_usage(), make_due()
        done = _look()
        told += done or 0
        if (done is None and not is_noted and not is_made_due) or time.monotonic() > ends_at:
            return told


def next_look_after(moment: datetime) -> datetime | None:
    """When the first entitlement is due after `moment`; None also where no rule asks for it. Two queries at most."""
    if not Rule.objects.filter(type__in=sorted(ABOUT_FEATURES), deleted_at=None, disabled=False).exists():
        return None
    found: datetime | None = EntitlementDue.objects.filter(due_at__gt=moment).aggregate(at=Min("due_at"))["at"]
    return found


def _look() -> int | None:
    """How many events a batch came to; None where there was none to be had. One that fails stops no other."""
    claimed: list[int] = []
    try:
        return _look_at(EntitlementDue.objects.all(), claimed)
    except Exception as error:  # whatever it is, it stops only the one that it is about
        if is_away(error) or not claimed:
            raise
        logger.warning("a batch of %s entitlements failed and is looked at one by one", len(claimed), exc_info=True)
    return sum(_look_at_one(each) for each in claimed)


def _look_at_one(due_id: int) -> int:
    try:
        return _look_at(EntitlementDue.objects.filter(pk=due_id), []) or 0
    except Exception as error:  # it is looked at later, and keeps no other waiting
        if is_away(error):
            raise
        logger.exception("the entitlement of %s can't be looked at", due_id)
        EntitlementDue.objects.filter(pk=due_id).update(due_at=clock.now() + _AGAIN)
        return 0


@transaction.atomic
def _look_at(some: QuerySet[EntitlementDue], claimed: list[int]) -> int | None:
    """Look at those of `some` that are due and that nobody else looks at; their ids are put into `claimed`."""
    now = clock.now()
    free = some.filter(due_at__lte=now).select_for_update(skip_locked=True).order_by("due_at", "id")
    due = list(free[:BATCH_SIZE])
    claimed += [row.pk for row in due]
    if not due:
        return None
    rules = {type: list(rules_in_force(type)) for type in (EventType.RESET, EventType.BALANCE_THRESHOLD)}
    found = _entitlements(due, entitlements_to_tell() if any(rules.values()) else entitlements_with_facts())
    timelines = chained_timelines(found)
    by_pair: dict[tuple[uuid.UUID, str], list[Entitlement]] = defaultdict(list)
    for each in found:
        by_pair[each.customer_id, each.feature_key].append(each)
    current, resets = [], []
    for row in due:
        life = Life(by_pair[row.customer_id, row.feature_key], timelines)
        behind = life.resets(row, now) if rules[EventType.RESET] else []
        resets.append(behind[:RESETS_AT_ONCE])
        if len(behind) > RESETS_AT_ONCE:
            last = behind[RESETS_AT_ONCE - 1].at
            row.seen_to, row.resets = max(row.seen_to, last), [at for at in row.resets if last < at <= now]
            continue
        row.seen_to, row.resets, row.due_at = max(row.seen_to, now), [], life.next_look(now)
        entitled = life.at(now)
        current += [] if entitled is None else [entitled]
    told = _tell_resets(rules[EventType.RESET], resets)
    told += _tell_thresholds(rules[EventType.BALANCE_THRESHOLD], current, now)
    EntitlementDue.objects.bulk_update(due, ["due_at", "seen_to", "resets"])
    return told


def _entitlements(due: Sequence[EntitlementDue], shown: QuerySet[Entitlement]) -> list[Entitlement]:
    """What these customers have, and had since they were looked at, of these features, in order of time."""
    since = min(min([row.seen_to, *row.resets]) for row in due)
    pairs = {(row.customer_id, row.feature_key) for row in due}
    theirs = among(
        shown.filter(Q(active_to=None) | Q(active_to__gt=since), ever_active(), type=EntitlementType.METERED),
        "customer_id",
        {customer for customer, _ in pairs},
    )
    found = theirs.filter(feature_key__in={key for _, key in pairs}).order_by("active_from", "id")
    return [each for each in found if (each.customer_id, each.feature_key) in pairs]


def _tell_resets(rules: Sequence[Rule], resets: Sequence[Sequence[Reset]]) -> int:
    """Tell of these, by customer in order of time, those that a rule is about. A few queries for as many as the
    customer with the most has."""
    wanted = [[each for each in theirs if _asking(rules, each.entitlement)] for theirs in resets]
    told = 0
    for turn in zip_longest(*wanted):
        some = [each for each in turn if each is not None]
        told += len(record_events(EventType.RESET, _causes(some)))
    return told


def _causes(resets: Sequence[Reset]) -> list[Cause]:
    """Each shows the entitlement and what is left as they were at the reset."""
    burndowns = burndowns_of(each.entitlement for each in resets)
    standings = standings_each(burndowns, {each.entitlement.pk: each.at for each in resets})
    causes = []
    for each in resets:
        entitlement, at = each.entitlement, each.at.astimezone(UTC)
        with clock.frozen_at(at):
            data = payload_of(entitlement, standings[entitlement.pk])
        causes.append(
            Cause(
                key=f"reset:{entitlement.customer_id}:{entitlement.feature_key}:{at.isoformat()}",
                data=data,
                at=at,
                customer_id=entitlement.customer_id,
                feature_id=entitlement.feature_id,
                subject=data["subject"]["key"],
            )
        )
    return causes


def _tell_thresholds(rules: Sequence[Rule], current: Sequence[Entitlement], now: datetime) -> int:
    """Tell of the thresholds that these have crossed as they stand. In the order of their ids, as all workers do."""
    pairs = [(rule, each) for each in sorted(current, key=lambda each: each.pk) for rule in _asking(rules, each)]
    if not pairs:
        return 0
    burndowns: Mapping[uuid.UUID, Burndown] = {
        each.id: each for each in burndowns_of({entitlement.pk: entitlement for _, entitlement in pairs}.values())
    }
    standings = standings_at(list(burndowns.values()), now)
    starts = {pk: counted_from(each.timeline, now) for pk, each in burndowns.items()}
    return tell_thresholds([Look(rule, each, standings[each.pk], starts[each.pk]) for rule, each in pairs])


def _asking(rules: Sequence[Rule], entitlement: Entitlement) -> list[Rule]:
    return [rule for rule in rules if not rule.feature_ids or entitlement.feature_id in rule.feature_ids]
