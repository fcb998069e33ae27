"""What a meter's page shows of its usage: the latest days as bars, the events behind them, the largest subjects."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

from core.admin.charts import Chart, bar_chart
from core.admin.words import counted, quantity_text
from entitlements.choices import Aggregation
from entitlements.errors import BadQuery
from entitlements.metering.usage_query import UsageQuery, query_usage
from entitlements.models import Meter

DAYS = 30
TOP = 10
_DAY = timedelta(days=1)
_LABELLED = 5  # every fifth day
_PLACES, _WIDE_ENOUGH = Decimal("0.000001"), Context(prec=200)


@dataclass(frozen=True, slots=True)
class MeterUsage:
    """The usage of the latest days in UTC, today's so far among them, of all subjects. `days` are day, figure and
    events; `top` are subjects with their figure and its share of the largest in percent; None: there are too many."""

    start: datetime
    chart: Chart
    events: int
    days: list[tuple[datetime, Decimal, int]]
    top: list[tuple[str, Decimal, int]] | None


def latest_usage(meter: Meter, now: datetime) -> MeterUsage:
    """The usage of the 30 days up to today. Three queries, however many events there are."""
    end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    start = end - DAYS * _DAY
    by_day = UsageQuery(start=start, end=end, window="DAY")
    figures = {row.start: _rounded(row.value) for row in query_usage(meter, by_day)}
    events_on = {row.start: int(row.value) for row in query_usage(_counting(meter), by_day)}
    days = [
        (day, figures.get(day, Decimal(0)), events_on.get(day, 0))
        for day in (start + number * _DAY for number in range(DAYS))
    ]
    bars = [
        (
            f"{day.day} {day:%b}" if number % _LABELLED == DAYS % _LABELLED else "",
            f"{day.day} {day:%b %Y}: {quantity_text(figure)}, {counted(events, 'event')}",
            figure,
        )
        for number, (day, figure, events) in enumerate(days)
    ]
    return MeterUsage(start, bar_chart(bars), sum(events_on.values()), days[::-1], _top(meter, start, end))


def _top(meter: Meter, start: datetime, end: datetime) -> list[tuple[str, Decimal, int]] | None:
    try:
        rows = query_usage(meter, UsageQuery(start=start, end=end, group_by=("subject",)))
    except BadQuery:
        return None
    rows = sorted(rows, key=lambda row: (-row.value, row.groups[0]))[:TOP]
    most = max((row.value for row in rows), default=Decimal(0))
    return [
        (row.groups[0], _rounded(row.value), max(0, round(row.value * 100 / most)) if most > 0 else 0) for row in rows
    ]


def _counting(meter: Meter) -> Meter:
    """A meter that counts the same events; it is never saved."""
    return Meter(
        id=meter.id,
        key=meter.key,
        event_type=meter.event_type,
        aggregation=Aggregation.COUNT,
        group_by=meter.group_by,
        event_from=meter.event_from,
    )


def _rounded(value: Decimal) -> Decimal:
    """An average has no end of places."""
    return value.quantize(_PLACES, context=_WIDE_ENOUGH)
