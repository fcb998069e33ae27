"""Where bars and lines of a chart stand, in percent, worked out by hand."""

from decimal import Decimal

import pytest

from core.admin.charts import bar_chart, line_chart, short_text
from tests.support.clock import at


def texts(marks):
    return [(mark.at, mark.text) for mark in marks]


def test_bars_fill_their_places_beneath_a_round_figure():
    chart = bar_chart([("1 Apr", "first", Decimal(40)), ("", "second", Decimal(0)), ("", "third", Decimal(100))])
    # A step of a quarter of 100 is 25; a place is a third of the width, a quarter of it free.
    assert texts(chart.grid) == [("100.00", "0"), ("75.00", "25"), ("50.00", "50"), ("25.00", "75"), ("0.00", "100")]
    assert [(bar.x, bar.y, bar.width, bar.height, bar.title) for bar in chart.bars] == [
        ("4.17", "60.00", "25.00", "40.00", "first"),
        ("70.83", "0.00", "25.00", "100.00", "third"),
    ]
    assert texts(chart.labels) == [("16.67", "1 Apr")]


def test_what_was_taken_back_hangs_beneath_zero():
    chart = bar_chart([("", "a", Decimal(-10)), ("", "b", Decimal(30))])
    assert texts(chart.grid) == [("100.00", "-10"), ("75.00", "0"), ("50.00", "10"), ("25.00", "20"), ("0.00", "30")]
    assert [(bar.y, bar.height) for bar in chart.bars] == [("75.00", "25.00"), ("0.00", "75.00")]


def test_nothing_used_is_a_chart_without_bars():
    chart = bar_chart([("", "a", Decimal(0))])
    assert chart.bars == ()
    assert [mark.text for mark in chart.grid] == ["0", "0.25", "0.5", "0.75", "1"]


def test_a_line_ends_where_time_stands():
    points = [(at("2026-04-01"), Decimal(100)), (at("2026-04-06"), Decimal(100)), (at("2026-04-06"), Decimal(50))]
    chart = line_chart(points, at("2026-04-01"), at("2026-04-11"), [(at("2026-04-11"), "11 Apr")])
    assert chart.points == "0.00,0.00 50.00,0.00 50.00,50.00"
    assert chart.area == "0.00,100.00 0.00,0.00 50.00,0.00 50.00,50.00 50.00,100.00"
    assert (chart.now, texts(chart.labels)) == ("50.00", [("100.00", "11 Apr")])


@pytest.mark.parametrize(
    ("value", "text"),
    [("999", "999"), ("1500", "1.5k"), ("20000000", "20M"), ("0.25", "0.25"), ("-2000", "-2k"), ("3E+12", "3T")],
)
def test_figures_of_an_axis_are_short(value, text):
    assert short_text(Decimal(value)) == text
