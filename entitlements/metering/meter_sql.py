"""Owns how a meter reads events in SQL: one event's figure, and the figure of many. Bills and queries share it."""

from typing import Final

from entitlements.choices import Aggregation
from entitlements.metering.json_path import steps

# What a relation of events must have: `raw` (the value as text), `number` (NULL where it can't be read), `time`, `id`.
FIGURES: Final = {
    Aggregation.SUM: "sum(number)",
    Aggregation.COUNT: "count(*)::numeric",
    Aggregation.UNIQUE_COUNT: "count(DISTINCT raw)::numeric",
    Aggregation.AVG: "avg(number)",
    Aggregation.MIN: "min(number)",
    Aggregation.MAX: "max(number)",
    Aggregation.LATEST: "(array_agg(number ORDER BY time DESC, id DESC) FILTER (WHERE number IS NOT NULL))[1]",
}

# The condition that an event counts; it was not taken back.
NOT_REVERSED: Final = "NOT EXISTS (SELECT 1 FROM entitlements_eventreversal v WHERE v.event_id = {event}.id)"

# What `json_path.NUMBER_PATTERN` lets in at ingest, spelled without counted repeats, which PostgreSQL matches seven
# times slower. The length is that of the longest number that the other pattern takes. Digits alone, as most are, need
# no pattern.
_NUMBER: Final = r"""
    CASE WHEN length(raw) <= 126 AND (
        (raw <> '' AND translate(raw, '0123456789', '') = '')
        OR raw ~ '^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9][0-9]?)?$'
    ) THEN raw::numeric END
"""


def value_in(data: str, placeholder: str = "%s") -> str:
    """The text at a path in the column `data`; the placeholder's parameter is `path_parameter` of that path."""
    return f"{data} #>> {placeholder}::text[]"


def path_parameter(path: str) -> list[str]:
    """The path in the form that `value_in` takes."""
    return list(steps(path))


def number_of(aggregation: str) -> str:
    """The number in the column `raw`; none where the aggregation needs no numbers."""
    return "NULL::numeric" if aggregation in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT) else _NUMBER


def unreadable_count(aggregation: str) -> str:
    """How many events hold no value that the aggregation can use."""
    if aggregation == Aggregation.COUNT:
        return "0::bigint"
    column = "raw" if aggregation == Aggregation.UNIQUE_COUNT else "number"
    return f"count(*) FILTER (WHERE {column} IS NULL)"
