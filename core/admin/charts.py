"""Owns the geometry of charts: bars over days and a line over time, in percent of the chart's width and height. Pure.

The page draws them as SVG beside HTML labels, so that text keeps its size on a narrow screen and nothing is fetched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext

from core.admin.words import quantity_text

_STEPS = tuple(Decimal(step) for step in ("1", "2", "2.5", "5", "10"))
_LINES = 4
_ROUNDS = Context(prec=40)  # only where something stands on the screen, never what it says
_GAP = Decimal("0.25")  # of a bar's place stays free
_UNITS = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at `at` percent: of the height, from the top, or of the width, from the left."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in percent, its top left corner first; `title` is what hovering says."""

    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. `points` and `area` are SVG points of the line and of what lies beneath it; `now` is where the
    line ends, where the time shown goes on."""

    grid: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    bars: tuple[Bar, ...] = ()
    points: str = ""
    area: str = ""
    now: str = ""


def bar_chart(days: Sequence[tuple[str, str, Decimal]]) -> Chart:
    """A bar for each of `days`: what stands beneath it (may be empty), what hovering says, its value."""
    with localcontext(_ROUNDS):
        low, high, grid = _scale([value for _, _, value in days])
        place = Decimal(100) / max(len(days), 1)
        bars, labels = [], []
        zero = _height(Decimal(0), low, high)
        for number, (label, title, value) in enumerate(days):
            left = place * number
            if label:
                labels.append(Mark(_text(left + place / 2), label))
            if value:
                end = _height(value, low, high)
                width, height = place * (1 - _GAP), abs(end - zero)
                bars.append(
                    Bar(
                        _text(left + place * _GAP / 2),
                        _text(min(end, zero)),
                        _text(width),
                        # What is there is seen, however small it is.
                        _text(max(height, Decimal("0.6"))),
                        title,
                    )
                )
        return Chart(grid, tuple(labels), tuple(bars))


def line_chart(
    points: Sequence[tuple[datetime, Decimal]], start: datetime, end: datetime, labels: Sequence[tuple[datetime, str]]
) -> Chart:
    """A line through `points`, in order of time, over `[start, end)`; `labels` stand beneath their times."""
    with localcontext(_ROUNDS):
        low, high, grid = _scale([value for _, value in points])
        drawn = [(_place(at, start, end), _height(value, low, high)) for at, value in points]
        line = " ".join(f"{_text(x)},{_text(y)}" for x, y in drawn)
        zero = _text(_height(Decimal(0), low, high))
        area = f"{_text(drawn[0][0])},{zero} {line} {_text(drawn[-1][0])},{zero}" if drawn else ""
        marks = tuple(Mark(_text(_place(at, start, end)), text) for at, text in labels)
        last = drawn[-1][0] if drawn else Decimal(0)
        return Chart(grid, marks, points=line, area=area, now=_text(last) if drawn and last < 100 else "")


def short_text(value: Decimal) -> str:
    """A figure of an axis: 1.5k, 20M; with fewer than four digits before the point, as it is."""
    for unit, letter in _UNITS:
        if abs(value) >= unit:
            return f"{quantity_text(value / unit)}{letter}"
    return quantity_text(value)


def _scale(values: Sequence[Decimal]) -> tuple[Decimal, Decimal, tuple[Mark, ...]]:
    """The lowest and the highest value of the chart, zero between them, and its lines at round figures."""
    low, high = min([Decimal(0), *values]), max([Decimal(0), *values])
    if low == high:
        high = Decimal(1)
    rough = (high - low) / _LINES
    unit = Decimal(1).scaleb(rough.adjusted())
    step = next(unit * step for step in _STEPS if unit * step >= rough)
    first = (low / step).to_integral_value("ROUND_FLOOR")
    last = (high / step).to_integral_value("ROUND_CEILING")
    low, high = first * step, last * step
    lines = (step * number for number in range(int(first), int(last) + 1))
    return low, high, tuple(Mark(_text(_height(value, low, high)), short_text(value)) for value in lines)


def _height(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return 100 * (high - value) / (high - low)


def _place(at: datetime, start: datetime, end: datetime) -> Decimal:
    part = Decimal((at - start).total_seconds()) / Decimal((end - start).total_seconds())
    return 100 * min(max(part, Decimal(0)), Decimal(1))


def _text(percent: Decimal) -> str:
    return f"{percent.quantize(Decimal('0.01')):f}"
