"""Tells of the thresholds that entitlements have crossed as they stand (billing rules 9).

By any number of workers at once: what a rule has seen of a period is one row, which is locked while it is judged, and
each crossing has a name by which it is told once.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core import clock
from core.money import to_wire
from core.notifications.choices import EventType
from core.notifications.models import Rule
from core.notifications.services.record_events import Cause, record_events
from entitlements.access.burndown import Standing
from entitlements.models import Entitlement, ThresholdState
from entitlements.notices.payload import payload_of
from entitlements.notices.thresholds import Figures, Judgement, Kind, Passed, Threshold, judge, threshold_of

# What a rule sees of a customer's period: rule, customer, feature, beginning.
Key = tuple[uuid.UUID, uuid.UUID, uuid.UUID, datetime]


@dataclass(frozen=True, slots=True)
class Look:
    """A rule looks at an entitlement as it stands in the period that began to count at `period_start`."""

    rule: Rule
    entitlement: Entitlement
    standing: Standing
    period_start: datetime

    @property
    def key(self) -> Key:
        return self.rule.pk, self.entitlement.customer_id, self.entitlement.feature_id, self.period_start

    def judge(self, state: ThresholdState | None) -> Judgement:
        rule = [threshold_of(each["type"], Decimal(each["value"])) for each in self.rule.thresholds]
        figures = Figures(self.standing.usage, self.standing.total, self.standing.balance)
        return judge(rule, figures, _passed(state))


def tell_thresholds(looks: Sequence[Look]) -> int:
    """Judge, remember and tell; returns how many events were made. In the transaction of whoever looks. Most looks come
    to nothing, and cost no row; a few queries, however many there are."""
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


def _changes(look: Look, state: ThresholdState | None) -> bool:
    before, after = _passed(state), look.judge(state).passed
    return before.totals != after.totals or bool(before.totals and before.usage != after.usage)


def _states(looks: Sequence[Look], *, lock: bool) -> dict[Key, ThresholdState]:
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


def _cause(look: Look, state: ThresholdState, threshold: Threshold, times: int) -> Cause:
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
