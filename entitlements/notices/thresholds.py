"""Decides which thresholds of a rule fire (billing rules 9). Pure.

A usage threshold is crossed when usage is strictly above it, a balance threshold when the balance is strictly below
it (0: at or below). Of those crossed only the highest about usage and the lowest about the balance can fire: a lower
one that was passed on the way is passed with it. What was passed stays so for the period; a percentage is armed again
once a larger total has brought usage back below it. Another period begins with nothing passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

_HUNDRED: Final = Decimal(100)


class Kind(Enum):
    """What a threshold is compared with."""

    USAGE_VALUE = "usage_value"
    USAGE_PERCENTAGE = "usage_percentage"
    BALANCE_VALUE = "balance_value"


_BY_NAME: Final[Mapping[str, Kind]] = {
    **{kind.value: kind for kind in Kind},
    # Their former names.
    "PERCENT": Kind.USAGE_PERCENTAGE,
    "NUMBER": Kind.USAGE_VALUE,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """`value` is in the meter's unit, or in percent of the period's total (80 is 80 %)."""

    kind: Kind
    value: Decimal

    @property
    def key(self) -> str:
        """How it is named where it is remembered; as long as its kind and its value stay, it is the same."""
        return f"{self.kind.value}:{self.value.normalize():f}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the current usage period, in the meter's unit: what was used, what there was to use, and what is left."""

    usage: Decimal
    total: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Passed:
    """What a rule has seen of one period: each threshold that was passed, with the total of that moment, and the usage
    when it looked last."""

    totals: Mapping[Threshold, Decimal]
    usage: Decimal


NOTHING_PASSED: Final = Passed({}, Decimal(0))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Which thresholds fire, at most one about usage and one about the balance, and what is passed from now on."""

    fires: tuple[Threshold, ...]
    passed: Passed


def threshold_of(kind: str, value: Decimal) -> Threshold:
    """A threshold as the wire names it, its former names included. KeyError for a kind that there is not."""
    return Threshold(_BY_NAME[kind], value)


def judge(thresholds: Sequence[Threshold], now: Figures, before: Passed = NOTHING_PASSED) -> Judgement:
    """What fires at these figures, of the same period as `before`. Judged again with its own result, nothing fires."""
    passed = {each: total for each, total in before.totals.items() if not _is_armed_again(each, total, now, before)}
    fires = []
    for group in (_about_usage(thresholds), _about_balance(thresholds)):
        crossed = [each for each in group if is_crossed(each, now)]
        if not crossed:
            continue
        furthest = _furthest(crossed, now)
        if furthest not in passed:
            fires.append(furthest)
        for each in crossed:
            passed.setdefault(each, now.total)
    return Judgement(tuple(fires), Passed(passed, now.usage))


def is_crossed(threshold: Threshold, now: Figures) -> bool:
    """Whether the figures lie beyond it."""
    if threshold.kind is not Kind.BALANCE_VALUE:
        return now.usage > _usage_at(threshold, now.total)
    return now.balance < threshold.value or (not threshold.value and now.balance <= 0)


def _is_armed_again(threshold: Threshold, total: Decimal, now: Figures, before: Passed) -> bool:
    """Usage is below it, or was when the total grew, though it may be above it again by now."""
    if threshold.kind is not Kind.USAGE_PERCENTAGE or now.total <= total:
        return False
    return min(before.usage, now.usage) <= _usage_at(threshold, now.total)


def _usage_at(threshold: Threshold, total: Decimal) -> Decimal:
    """The usage that it stands for."""
    return threshold.value if threshold.kind is Kind.USAGE_VALUE else total * threshold.value / _HUNDRED


def _furthest(crossed: Sequence[Threshold], now: Figures) -> Threshold:
    if crossed[0].kind is Kind.BALANCE_VALUE:
        return min(crossed, key=lambda each: each.value)
    return max(crossed, key=lambda each: _usage_at(each, now.total))


def _about_usage(thresholds: Sequence[Threshold]) -> list[Threshold]:
    return [each for each in thresholds if each.kind is not Kind.BALANCE_VALUE]


def _about_balance(thresholds: Sequence[Threshold]) -> list[Threshold]:
    return [each for each in thresholds if each.kind is Kind.BALANCE_VALUE]
