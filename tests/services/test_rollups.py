"""Rollups say what the events say: whatever comes in when, whenever meters are made, wherever a window is cut."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from customers.attribution import Attribution
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.metering.store.build import build_day, build_rollups
from entitlements.metering.store.prove import days_of, differences
from entitlements.metering.store.recount import recount
from entitlements.metering.update_meter import update_meter
from entitlements.metering.usage import Usage, UsageRequest, plain_usage_of, reading_of, usage_of
from entitlements.metering.usage_query import UsageQuery, group_values, plain_query_usage, query_usage
from entitlements.models import Meter, MeterRollup, UsageRollup
from invoicing.books.rollups import rollups_equal_events
from tests.support.catalog import make_feature
from tests.support.clock import at

pytestmark = pytest.mark.django_db

AGGREGATIONS = ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")
START = at("2026-03-01T22:00")
# Hours and days begin and end within these, to the microsecond.
SECONDS = st.sampled_from([0, 1, 1799, 3599, 3600, 7199, 7200, 7201, 9000, 90000, 93600, 93599, 180000])
MOMENTS = st.builds(
    lambda seconds, microseconds: START + timedelta(seconds=seconds, microseconds=microseconds),
    SECONDS,
    st.sampled_from([0, 1, -1]),
)
VALUES = st.one_of(st.integers(-5, 9), st.sampled_from([Decimal("0.1"), "2.5", "1e3", Decimal("3E+2"), "4", "4.0"]))
BAD = st.sampled_from(["many", None, True, {"a": 1}, "NaN"])
EVENTS = st.fixed_dictionaries(
    {"subject": st.sampled_from(["acme", "bolt"]), "time": MOMENTS, "value": VALUES, "model": st.sampled_from("ab")}
)
ACTS = st.one_of(
    st.tuples(st.just("ingest"), st.lists(EVENTS, min_size=1, max_size=12)),
    st.tuples(st.just("reverse"), st.integers(0, 60)),
    st.tuples(st.just("build"), st.just(None)),
    st.tuples(st.just("build a day"), st.just(None)),
    st.tuples(st.just("regroup"), st.just(None)),
    st.tuples(st.just("meter"), st.sampled_from(AGGREGATIONS)),
)


def wire(number, event):
    data = {"value": event["value"], "model": event["model"], "place": {"region": "eu"}}
    return {
        "id": f"e{number}",
        "source": "test",
        "type": "usage",
        "subject": event["subject"],
        "time": event["time"].isoformat().replace("+00:00", "Z"),
        "data": data,
    }


def meter_of(aggregation, number=0, event_from=None):
    return create_meter(
        key=f"meter_{aggregation.lower()}_{number}",
        event_type="usage",
        aggregation=aggregation,
        value_property=None if aggregation == "COUNT" else "$.value",
        group_by={"model": "$.model"},
        event_from=event_from,
    )


def proved():
    assert [difference for day in days_of() for difference in differences(day)] == []


def same(spans, filters=()):
    """What rollups say of the spans, which is what the events say."""
    asked: list[UsageRequest] = []
    for meter in Meter.objects.filter(deleted_at=None).order_by("key"):
        for model in ({}, *filters):
            feature = make_feature(key=f"f{len(asked)}", meter=meter, meter_filters=model)
            reading = reading_of(feature)
            for subjects in (("acme",), ("acme", "bolt")):
                for span in spans:
                    people = [Attribution(subject) for subject in subjects]
                    asked.append(UsageRequest(len(asked), reading, people, span))
            feature.delete()
    found = usage_of(asked)
    assert found == plain_usage_of(asked)
    counted = usage_of([each._replace(reading=replace(each.reading, only_events=True)) for each in asked])
    assert {key: usage.events for key, usage in counted.items()} == {key: usage.events for key, usage in found.items()}


def same_queries(cuts):
    """What queries of meters say off rollups, which is what the events say."""
    start, end = min(cuts), max(cuts)
    for meter in Meter.objects.filter(deleted_at=None):
        for window, zone in ((None, "UTC"), ("HOUR", "Asia/Kolkata"), ("DAY", "America/New_York"), ("MONTH", "UTC")):
            for more in ({}, {"group_by": ("model", "subject")}, {"filters": {"model": ["b"]}, "subjects": ["acme"]}):
                for bounds in ({}, {"start": start, "end": end}):
                    query = UsageQuery(window=window, time_zone=zone, **more, **bounds)
                    assert query_usage(meter, query) == plain_query_usage(meter, query), query
        values = {row.groups[0] for row in plain_query_usage(meter, UsageQuery(group_by=("subject",)))}
        assert values <= set(group_values(meter, "subject", start=None, end=None))


@pytest.fixture(autouse=True)
def now():
    with time_machine.travel("2026-03-05T00:00:00Z", tick=False):
        yield


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    first=st.lists(EVENTS, max_size=20),
    bad=st.lists(BAD, max_size=3),
    acts=st.lists(ACTS, min_size=1, max_size=8),
    cuts=st.lists(MOMENTS, min_size=4, max_size=8, unique=True),
)
def test_whatever_happens_rollups_say_what_the_events_say(first, bad, acts, cuts):
    with transaction.atomic():
        _live(first, bad, acts, cuts)
        transaction.set_rollback(True)


def _live(first, bad, acts, cuts):
    stored = 0
    # Before any meter is there, also what none can read.
    unread = [{"subject": "acme", "time": START, "value": value, "model": "a"} for value in bad]
    for event in (*first, *unread):
        ingest_events(events=[wire(stored, event)])
        stored += 1
    made = [meter_of("UNIQUE_COUNT"), meter_of("LATEST", event_from=START + timedelta(seconds=1799))]
    for act, what in acts:
        if act == "ingest":
            # The last one again, as a retry would.
            batch = [wire(stored + number, event) for number, event in enumerate(what)]
            ingest_events(events=[*batch, batch[-1]])
            stored += len(what)
        elif act == "reverse" and stored:
            try:
                reverse_event(source="test", event_id=f"e{what % stored}", reason="Sent by a test machine")
            except Exception as error:  # noqa: BLE001 - reversed before
                assert type(error).__name__ == "EventReversed"
        elif act == "build":
            build_rollups()
        elif act == "build a day":
            for rollup in MeterRollup.objects.filter(whole_at=None, dropped_at=None):
                build_day(rollup.id)
        elif act == "meter":
            made.append(meter_of(what, len(made)))
        elif act == "regroup":
            update_meter(meter=made[0], group_by={"model": "$.model", "region": "$.place.region"})
        proved()
    spans: list[Any] = [((start, end),) for start, end in zip(sorted(cuts)[:-1], sorted(cuts)[1:], strict=True)]
    spans.append(tuple(span for (span,) in spans[::2]))
    same(spans, [{"model": ["b"]}])
    same_queries(cuts)
    build_rollups()
    assert not MeterRollup.objects.filter(whole_at=None, dropped_at=None).exists()
    proved()
    same(spans, [{"model": ["b"]}])
    same_queries(cuts)


def test_a_proof_finds_every_kind_of_difference():
    meter_of("SUM")
    event = {"subject": "acme", "time": at("2026-03-02T10:15"), "value": 5, "model": "a"}
    ingest_events(events=[wire(1, event), wire(2, event | {"subject": "bolt", "time": at("2026-03-03T10:15")})])
    proved()
    with connection.cursor() as cursor:
        # The books look at a sample, by what was counted last: here they are to look at all there is.
        cursor.execute("ANALYZE entitlements_usagerollup, entitlements_usageevent")
    hours = UsageRollup.objects.filter(grain=1)
    hours.filter(subject="acme").update(sum=6)
    UsageRollup.objects.filter(grain=24, subject="bolt").delete()
    found = [difference for day in days_of() for difference in differences(day)]
    assert [(d.meter, d.subject, d.grain, d.start, d.kept, d.counted) for d in found] == [
        ("meter_sum_0", "acme", 1, at("2026-03-02T10:00"), 1, 1),
        ("meter_sum_0", "bolt", 24, at("2026-03-03T00:00"), 0, 1),
    ]
    assert list(differences(at("2026-03-02"), subjects=["bolt"])) == []
    assert [(finding.subject, finding.problem) for finding in rollups_equal_events()] == [
        (
            "The meter meter_sum_0, subject acme",
            "the rollup of the hour from 2026-03-02 10:00 UTC does not say what its 1 events say.",
        ),
        (
            "The meter meter_sum_0, subject bolt",
            "the rollup of the day from 2026-03-03 00:00 UTC does not say what its 1 events say.",
        ),
    ]
    with pytest.raises(SystemExit):
        call_command("prove_usage")
    call_command("prove_usage", "--mend")
    call_command("prove_usage")
    proved()


def test_a_window_of_whole_hours_reads_no_event():
    """The rollups are made to say something else, to see who is asked."""
    feature = make_feature(meter=meter_of("SUM"))
    noon = at("2026-03-02T12:30")
    ingest_events(events=[wire(1, {"subject": "acme", "time": noon, "value": 5, "model": "a"})])
    UsageRollup.objects.update(sum=700)

    def quantity(start, end):
        request = UsageRequest(1, reading_of(feature), [Attribution("acme")], [(at(start), at(end))])
        return usage_of([request])[1]

    assert quantity("2026-03-01", "2026-04-01") == Usage(Decimal(700), 1, 0)
    assert quantity("2026-03-02T12:00", "2026-03-02T13:00") == Usage(Decimal(700), 1, 0)
    assert quantity("2026-03-02T12:30", "2026-03-02T12:31") == Usage(Decimal(700), 1, 0)
    assert quantity("2026-03-02T12:31", "2026-03-03T00:00") == Usage(Decimal(0), 0, 0)
    ingest_events(events=[wire(2, {"subject": "acme", "time": at("2026-03-02T12:50"), "value": 1, "model": "a"})])
    assert quantity("2026-03-02T12:30", "2026-03-02T12:40") == Usage(Decimal(5), 1, 0)
    assert quantity("2026-03-02T12:30", "2026-03-02T13:00") == Usage(Decimal(701), 2, 0)


@pytest.mark.parametrize("asked", ["a bill", "a query"])
def test_a_cut_hour_reads_its_events_by_the_index_where_most_are_of_one_subject(asked):
    meter = meter_of("SUM")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO entitlements_usageevent (id, source, external_id, type, subject, time, data, ingested_at)
            SELECT gen_random_uuid(), 'test', 'e' || n, 'usage', 'acme',
                '2026-02-01'::timestamptz + n * interval '1 min', '{"value": 1, "model": "a"}', now()
            FROM generate_series(0, 29999) AS n
            """
        )
        cursor.execute("ANALYZE entitlements_usageevent")
    recount("usage", "acme", at("2026-02-01"), at("2026-02-22"))
    start, end = at("2026-02-02T00:30"), at("2026-02-12T00:30")
    with CaptureQueriesContext(connection) as queries:
        if asked == "a bill":
            feature = make_feature(meter=meter)
            found = usage_of([UsageRequest(1, reading_of(feature), [Attribution("acme")], [(start, end)])])[1]
            assert found == Usage(Decimal(14_400), 14_400, 0)
        else:
            (row,) = query_usage(meter, UsageQuery(start=start, end=end))
            assert row.value == Decimal(14_400)
    (statement,) = [query["sql"] for query in queries if "cut_hour" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.replace('%', '%%')}", [])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    # By subject or by time: either reads the events of the hour only.
    assert re.search(r"Index Scan using event_by_(subject|time)_before", plan), plan
    assert "Seq Scan on entitlements_usageevent_before" not in plan, plan
