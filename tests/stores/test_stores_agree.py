"""Over random events, windows and queries, ClickHouse says what PostgreSQL says, to the last digit."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from entitlements.metering.reading import UsageQuery, Window
from entitlements.metering.store.postgresql import POSTGRESQL
from tests.stores.conftest import House, event
from tests.support.clock import at

pytestmark = [pytest.mark.django_db, pytest.mark.clickhouse]

AGGREGATIONS = ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")
# Around a change of clocks in Berlin, and where hours, days and a month begin.
SECONDS = st.sampled_from([0, 1, 1799, 1800, 3599, 3600, 7200, 9000, 86_399, 86_400, 172_800, 260_000])
MOMENTS = st.builds(
    lambda seconds, less: at("2026-03-28T22:00") + timedelta(seconds=seconds, microseconds=less),
    SECONDS,
    st.sampled_from([0, 1, -1]),
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=7, min_value=-(10**12), max_value=10**12)
VALUES = st.one_of(
    st.integers(-5, 9),
    NUMBERS,
    st.builds("{}e{}".format, st.integers(-(10**30), 10**30), st.integers(-99, 99)),
    st.sampled_from(["many", None, True, "", "4", "4.0", "1.", "NaN", [1], {"a": 1}]),
)
EVENTS = st.tuples(
    st.sampled_from("abcdefghij"), MOMENTS, VALUES, st.sampled_from(["x", "y", None]), st.sampled_from(["acme", "bolt"])
)


@settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(st.lists(EVENTS, min_size=1, max_size=10), min_size=1, max_size=3),
    cuts=st.lists(MOMENTS, min_size=2, max_size=5, unique=True),
    taken_back=st.sampled_from("abcdefghij"),
)
def test_both_engines_give_the_same_figures(clickhouse, batches, cuts, taken_back):
    clickhouse.clear()
    with transaction.atomic():
        _live(clickhouse, batches, sorted(cuts), taken_back)
        transaction.set_rollback(True)


def _live(clickhouse, batches, cuts, taken_back):
    houses = [House(POSTGRESQL), House(clickhouse)]
    meters = [houses[0].meter(kind) for kind in AGGREGATIONS]
    for batch in batches:
        events = [
            event(name, time, {"value": value, "model": model}, subject=subject)
            for name, time, value, model, subject in batch
        ]
        new = [house.send(*events) for house in houses]
        assert new[0] == new[1]
    found = [house.store.find_event("test", taken_back) for house in houses]
    assert found[0] == found[1]
    if found[0] is not None:
        houses[0].take_back(taken_back)
        clickhouse.leave_out(found[1])
    asked = {
        House.reading(meter, **filters): [
            Window(20 * place + number, subject, start, end)
            for number, (start, end) in enumerate(pairwise(cuts))
            for subject in ("acme", "bolt")[: 1 + number % 2]
        ]
        for place, (meter, filters) in enumerate((m, f) for m in meters for f in ({}, {"model": "x"}))
    }
    answers = [{key: figure for key, figure in house.store.usage(asked).items() if figure.events} for house in houses]
    assert answers[0] == answers[1]
    counting = {replace(reading, only_events=True): windows for reading, windows in asked.items()}
    for house, answer in zip(houses, answers, strict=True):
        counted = {key: figure.events for key, figure in house.store.usage(counting).items() if figure.events}
        assert counted == {key: figure.events for key, figure in answer.items()}
    for meter in meters:
        for window, groups in ((None, ("model",)), ("HOUR", ()), ("DAY", ("subject", "model")), ("MONTH", ())):
            query = UsageQuery(start=cuts[0], window=window, group_by=groups, time_zone="Europe/Berlin")
            rows = [house.store.query(meter, query) for house in houses]
            assert rows[0] == rows[1]
            assert all(isinstance(row.value, Decimal) for row in rows[1])
