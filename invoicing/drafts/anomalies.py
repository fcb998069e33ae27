"""Decides what is unusual about a draft, so that whoever approves drafts looks there first. No I/O.

A draft is compared with what the same subscriptions were billed before, on invoices of periods about as long: a month
is not held against a year, and a part of a split period against none. Amounts are net, before prepaid credits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import Any, Final

from core.admin.words import counted, joined, money_text
from core.money import ROUNDING, ZERO, trimmed

OFF_PERCENT: Final = Decimal(30)
"""From how much less or more than the last invoice on, in percent, a draft is unusual."""

TIMES_MEDIAN: Final = 2
"""Above how many times the median of its last twelve months a draft is unusual."""

FEWEST_FOR_MEDIAN: Final = 3

GIVES_BACK_PERCENT: Final = Decimal(50)
"""From how much of its charges given back on, in percent, a draft is unusual."""

# A first invoice covers one month in advance, the next one that and the month past: 31 days, 61 days.
_AS_LONG: Final = (Decimal("0.4"), Decimal("2.5"))

_NAMED = 3


class Kind(StrEnum):
    """What can be unusual, the weightiest first."""

    ZERO = "zero"
    TAX_ID = "tax_id"
    FELL = "fell"
    ROSE = "rose"
    LARGE = "large"
    NO_USAGE = "no_usage"
    GIVES_BACK = "gives_back"
    FIRST = "first"
    LATE = "late"
    BY_HAND = "by_hand"


LABELS: Final[Mapping[Kind, str]] = {
    Kind.ZERO: "Zero",
    Kind.TAX_ID: "Tax id missing",
    Kind.FELL: "Fell",
    Kind.ROSE: "Rose",
    Kind.LARGE: "Far above its year",
    Kind.NO_USAGE: "Usage stopped",
    Kind.GIVES_BACK: "Gives back much",
    Kind.FIRST: "First invoice",
    Kind.LATE: "Late usage",
    Kind.BY_HAND: "By hand",
}

# How much each counts for the order of drafts. What may be money lost or a customer lost outweighs what is only new.
_WEIGHTS: Final[Mapping[Kind, int]] = {
    Kind.ZERO: 8,
    Kind.TAX_ID: 8,
    Kind.FELL: 6,
    Kind.ROSE: 5,
    Kind.LARGE: 5,
    Kind.NO_USAGE: 4,
    Kind.GIVES_BACK: 4,
    Kind.FIRST: 3,
    Kind.LATE: 2,
    Kind.BY_HAND: 2,
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is unusual about a draft, with the figures that say so, as they are stored."""

    kind: Kind
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, **self.figures}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Anomaly":
        figures = dict(stored)
        return cls(Kind(figures.pop("kind")), figures)


@dataclass(frozen=True, slots=True)
class Before:
    """An invoice that was issued to the same subscriptions before. `in_parts`: it bills a part of a split period."""

    number: str
    net: Decimal
    start: datetime
    end: datetime
    in_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFacts:
    """What is known of a draft. `charged` and `given_back` are net and not negative; `stopped` names the items of which
    nothing was used although the period before had usage; `untaxed_abroad`: it charges somebody in another country than
    its supplier's without tax. `before` are the invoices of its last twelve months, in any order."""

    currency: str
    total: Decimal
    net: Decimal
    start: datetime
    end: datetime
    charged: Decimal
    in_parts: bool = False
    is_first: bool = False
    given_back: Decimal = ZERO
    charges_by_hand: int = 0
    lines_edited: int = 0
    late_lines: int = 0
    late_cases: int = 0
    stopped: Sequence[str] = ()
    untaxed_abroad: bool = False
    has_tax_id: bool = False
    before: Sequence[Before] = ()


def anomalies_of(draft: DraftFacts) -> list[Anomaly]:
    """What is unusual about `draft`, the weightiest first."""
    found = [*_of_itself(draft), *_against_before(draft)]
    order = list(Kind)
    return sorted(found, key=lambda anomaly: order.index(anomaly.kind))


def rank_of(anomalies: Iterable[Anomaly]) -> int:
    """Where a draft stands among others: 0 for nothing unusual, the more the earlier it is to be looked at."""
    return sum(_WEIGHTS[anomaly.kind] for anomaly in anomalies)


def _of_itself(draft: DraftFacts) -> Iterable[Anomaly]:
    if not draft.total:
        yield Anomaly(Kind.ZERO)
    if draft.untaxed_abroad and not draft.has_tax_id:
        yield Anomaly(Kind.TAX_ID)
    if draft.given_back > ZERO and draft.given_back * 100 >= draft.charged * GIVES_BACK_PERCENT:
        yield Anomaly(Kind.GIVES_BACK, {"givenBack": trimmed(draft.given_back), "charged": trimmed(draft.charged)})
    if draft.is_first:
        yield Anomaly(Kind.FIRST)
    if draft.stopped:
        yield Anomaly(Kind.NO_USAGE, {"items": list(draft.stopped[:_NAMED]), "count": len(draft.stopped)})
    if draft.late_lines or draft.late_cases:
        yield Anomaly(Kind.LATE, {"lines": draft.late_lines, "cases": draft.late_cases})
    if draft.charges_by_hand or draft.lines_edited:
        yield Anomaly(Kind.BY_HAND, {"charges": draft.charges_by_hand, "lines": draft.lines_edited})


def _against_before(draft: DraftFacts) -> Iterable[Anomaly]:
    like = [] if draft.in_parts else [before for before in draft.before if _is_like(before, draft)]
    if not like:
        return
    last = max(like, key=lambda before: (before.end, before.number))
    change = draft.net - last.net
    if change and abs(change) * 100 >= last.net * OFF_PERCENT:
        figures = {"to": trimmed(draft.net), "from": trimmed(last.net), "number": last.number}
        if last.net > ZERO:
            figures["percent"] = trimmed(
                ROUNDING.divide(abs(change) * 100, last.net).quantize(Decimal(1), context=ROUNDING)
            )
        yield Anomaly(Kind.FELL if change < ZERO else Kind.ROSE, figures)
    usual = median(before.net for before in like)
    if len(like) >= FEWEST_FOR_MEDIAN and ZERO < usual * TIMES_MEDIAN < draft.net:
        yield Anomaly(Kind.LARGE, {"to": trimmed(draft.net), "median": trimmed(usual), "of": len(like)})


def _is_like(before: Before, draft: DraftFacts) -> bool:
    """Whether `before` is of an earlier period about as long as the draft's."""
    if before.in_parts or before.end >= draft.end:
        return False
    length = Decimal((draft.end - draft.start).total_seconds())
    shortest, longest = (length * share for share in _AS_LONG)
    return shortest <= Decimal((before.end - before.start).total_seconds()) <= longest


def words_of(anomaly: Anomaly, currency: str) -> str:
    """The anomaly as a sentence."""
    figures = anomaly.figures

    def money(name: str) -> str:
        return money_text(figures[name], currency)

    match anomaly.kind:
        case Kind.ZERO:
            return "It comes to nothing, though it has lines."
        case Kind.TAX_ID:
            return "It charges a customer abroad without tax, and names no tax id of theirs."
        case Kind.FELL:
            return f"{figures['percent']} % below {figures['number']}: {money('from')} before, {money('to')} now, net."
        case Kind.ROSE:
            above = f"{figures['percent']} % above {figures['number']}" if "percent" in figures else "The last was zero"
            return f"{above}: {money('from')} before, {money('to')} now, net."
        case Kind.LARGE:
            return f"{money('to')} net; half of the last {figures['of']} invoices came to {money('median')} or less."
        case Kind.NO_USAGE:
            rest = figures["count"] - len(figures["items"])
            named = joined([*figures["items"], *([f"{rest} more"] if rest else [])])
            return f"Nothing was used of {named}, unlike in the period before."
        case Kind.GIVES_BACK:
            return f"It gives back {money('givenBack')} of the {money('charged')} that it charges, net."
        case Kind.FIRST:
            return "The customer's first invoice."
        case Kind.LATE:
            return f"It has {_counts(figures, _LATE)}."
        case Kind.BY_HAND:
            return f"It has {_counts(figures, _BY_HAND)}."


_LATE: Final = {
    "lines": ("line of late usage", "lines of late usage"),
    "cases": ("open case of late usage", "open cases of late usage"),
}
_BY_HAND: Final = {
    "charges": ("charge by hand", "charges by hand"),
    "lines": ("line set by hand", "lines set by hand"),
}


def _counts(figures: Mapping[str, Any], nouns: Mapping[str, tuple[str, str]]) -> str:
    return joined(counted(figures[name], one, many) for name, (one, many) in nouns.items() if figures[name])
