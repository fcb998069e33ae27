"""Looks at the customers whose usage has changed, and tells of the thresholds that they have crossed.

Billing rules 9. By any number of workers at once: what a rule has seen of a period is one row, which is locked while it
is judged, and each crossing has a name by which it is told once.
"""

import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.money import to_wire
from core.notifications.choices import EventType
from core.notifications.models import Rule
from core.notifications.selectors import rules_in_force
from core.notifications.services.record_events import Cause, record_events
from customers.selectors import owners_of
from entitlements.access.balances import burndowns_of, standings_at
from entitlements.access.burndown import Standing, counted_from
from entitlements.access.selectors import active_at
from entitlements.choices import EntitlementType
from entitlements.metering.touched import Reader, Touched, claim_touched
from entitlements.models import Entitlement, ThresholdState
from entitlements.notices.payload import entitlements_to_tell, payload_of
from entitlements.notices.thresholds import Figures, Judgement, Kind, Passed, Threshold, judge, threshold_of

# Ingests into the hours of a batch wait for its end.
BATCH_SIZE = 200

# What a rule sees of a customer's period: rule, customer, feature, beginning.
Key = tuple[uuid.UUID, uuid.UUID, uuid.UUID, datetime]


@dataclass(frozen=True, slots=True)
class _Look:
    """A rule looks at an entitlement as it stands."""

    rule: Rule
    entitlement: Entitlement
    standing: Standing
    key: Key

    def judge(self, state: ThresholdState | None) -> Judgement:
        rule = [threshold_of(each["type"], Decimal(each["value"])) for each in self.rule.thresholds]
        figures = Figures(self.standing.usage, self.standing.total, self.standing.balance)
        return judge(rule, figures, _passed(state))


def tell_thresholds(*, seconds: float = math.inf) -> int:
    """Judge whatever usage has changed until nothing is left or `seconds` have passed; returns how many events were
    made. Without a rule in force the marks are taken away, and that is all."""
    ends_at = time.monotonic() + seconds
    told = 0
    while True:
        done = _tell_batch()
        if done is None:
            return told
        told += done
        if time.monotonic() > ends_at:
            return told


@transaction.atomic
def _tell_batch() -> int | None:
    """How many events a batch came to; None where there was none to be had."""
    touched = claim_touched(Reader.THRESHOLDS, limit=BATCH_SIZE)
    if not touched:
        return None
    rules = list(rules_in_force(EventType.BALANCE_THRESHOLD))
    return _tell(_looks(rules, touched, clock.now())) if rules else 0


def _looks(rules: Sequence[Rule], touched: Sequence[Touched], now: datetime) -> list[_Look]:
    """What these rules look at: whoever has or had the subjects whose usage of a meter has changed. A few queries."""
    owners = owners_of({each.subject for each in touched})
    changed = {(each.meter_id, owner) for each in touched for _, owner in owners.get(each.subject, ())}
    found = entitlements_to_tell().filter(
        active_at(now),
        type=EntitlementType.METERED,
        feature__meter_id__in={meter for meter, _ in changed},
        customer_id__in={owner for _, owner in changed},
    )
    about = [each for each in found.order_by("id") if (each.feature.meter_id, each.customer_id) in changed]
    pairs = [
        (rule, each) for each in about for rule in rules if not rule.feature_ids or each.feature_id in rule.feature_ids
    ]
    wanted = {each.pk: each for _, each in pairs}
    burndowns = burndowns_of(wanted.values()) if wanted else []
    standings = standings_at(burndowns, now)
    starts = {each.id: counted_from(each.timeline, now) for each in burndowns}
    return [
        _Look(rule, each, standings[each.pk], (rule.pk, each.customer_id, each.feature_id, starts[each.pk]))
        for rule, each in pairs
    ]


def _tell(looks: Sequence[_Look]) -> int:
    """Judge, remember and tell. Most looks come to nothing, and cost no row."""
    states = _states(looks, lock=False)
    looks = [look for look in looks if _changes(look, states.get(look.key))]
    if not looks:
        return 0
    new = [look.key for look in looks if look.key not in states]
    ThresholdState.objects.bulk_create([_new_state(key) for key in new], ignore_conflicts=True)
    # Judged once more under the lock: another worker may have told the same meanwhile.
    states = _states(looks, lock=True)
    causes = []
    for look in looks:
        state = states[look.key]
        judgement = look.judge(state)
        for threshold in judgement.fires:
            times = state.fired[threshold.key] = state.fired.get(threshold.key, 0) + 1
            causes.append(_cause(look, state, threshold, times))
        state.passed = {each.key: to_wire(total) for each, total in judgement.passed.totals.items()}
        state.usage = judgement.passed.usage
    ThresholdState.objects.bulk_update(states.values(), ["passed", "fired", "usage"])
    return len(record_events(EventType.BALANCE_THRESHOLD, causes))


def _changes(look: _Look, state: ThresholdState | None) -> bool:
    before, after = _passed(state), look.judge(state).passed
    return before.totals != after.totals or bool(before.totals and before.usage != after.usage)


def _states(looks: Sequence[_Look], *, lock: bool) -> dict[Key, ThresholdState]:
    """What these rules have seen of these periods. One query."""
    rows = ThresholdState.objects.filter(
        customer_id__in={key[1] for key in (look.key for look in looks)},
        feature_id__in={look.key[2] for look in looks},
        period_start__in={look.key[3] for look in looks},
        rule_id__in={look.key[0] for look in looks},
    ).order_by("id")
    if lock:
        rows = rows.select_for_update()
    found = {(row.rule_id, row.customer_id, row.feature_id, row.period_start): row for row in rows}
    wanted = {look.key for look in looks}
    return {key: row for key, row in found.items() if key in wanted}


def _new_state(key: Key) -> ThresholdState:
    rule_id, customer_id, feature_id, start = key
    return ThresholdState(rule_id=rule_id, customer_id=customer_id, feature_id=feature_id, period_start=start)


def _passed(state: ThresholdState | None) -> Passed:
    if state is None:
        return Passed({}, Decimal(0))
    totals = {_threshold(key): Decimal(total) for key, total in state.passed.items()}
    return Passed(totals, state.usage)


def _threshold(key: str) -> Threshold:
    kind, _, value = key.partition(":")
    return Threshold(Kind(kind), Decimal(value))


def _cause(look: _Look, state: ThresholdState, threshold: Threshold, times: int) -> Cause:
    data = payload_of(look.entitlement, look.standing)
    said = next(
        each for each in look.rule.thresholds if threshold_of(each["type"], Decimal(each["value"])) == threshold
    )
    return Cause(
        key=f"threshold:{state.pk}:{threshold.key}:{times}",
        data=data | {"threshold": {"type": said["type"], "value": Decimal(said["value"])}},
        at=clock.now(),
        customer_id=look.entitlement.customer_id,
        feature_id=look.entitlement.feature_id,
        subject=data["subject"]["key"],
        rule_id=look.rule.pk,
    )
