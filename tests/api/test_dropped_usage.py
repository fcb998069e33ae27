"""What a meter measured in a time whose events were dropped is answered by whole hours, or refused: never in part
without a word."""

from typing import Any

import pytest

from entitlements.metering.create_meter import create_meter
from entitlements.metering.store.build import build_rollups
from entitlements.metering.store.partitions import drop_months, make_months, month_of
from tests.services.test_event_months import first_missing
from tests.support.api import data, refused
from tests.support.customers import make_customer
from tests.support.usage import use

pytestmark = pytest.mark.django_db


def make_sum(key, **terms):
    """A meter with its rollup."""
    return create_meter(key=key, event_type="usage", aggregation="SUM", value_property="$.amount", **terms)


class House:
    """Two months of usage by two subjects, of which the first was dropped."""

    def __init__(self, api):
        self.api = api
        self.first = first_missing()
        self.second, self.third = month_of(self.first, 1), month_of(self.first, 2)
        make_months(self.third)
        make_customer(subjects=("acme", "acme-eu"))
        for month, amount in ((self.first, 5), (self.second, 7)):
            use(f"{month:%Y-%m}-10T08:10", amount)
            use(f"{month:%Y-%m}-10T08:50", amount + 100, subject="acme-eu")
            use(f"{month:%Y-%m}-10T08:55", 1000)
        make_sum("usage", group_by={"model": "$.model"})
        build_rollups()

    def drop(self):
        assert f"entitlements_usageevent_y{self.first:%Ym%m}" in drop_months(self.second)

    def ask(self, **query):
        body = {name.rstrip("_"): value for name, value in query.items()}
        return self.api.post("/meters/usage/query", body)

    def at(self, month, text):
        return f"{month:%Y-%m}-{text}:00Z"


@pytest.fixture
def house(api):
    return House(api)


def figures(answer):
    return [row["value"] for row in data(answer)["data"]]


def test_whole_hours_of_dropped_events_are_still_known(house):
    asked: list[dict[str, Any]] = [
        {},
        {"windowSize": "MONTH"},
        {"windowSize": "HOUR", "groupBy": ["subject"]},
        {"from_": house.at(house.first, "10T08:00"), "to": house.at(house.first, "10T09:00")},
        # Nothing lies on the other side of these boundaries.
        {"from_": house.at(house.first, "10T08:05"), "to": house.at(house.first, "10T08:56")},
    ]
    before = [house.ask(**query).content for query in asked]
    house.drop()
    assert [house.ask(**query).content for query in asked] == before
    assert figures(house.ask(windowSize="MONTH")) == [1110, 1114]


@pytest.mark.parametrize("how", [{"windowSize": "MINUTE"}, {"groupBy": ["customerId"]}])
def test_an_answer_that_needs_events_begins_with_those_that_are_kept_and_says_so(house, how):
    assert "from" not in data(house.ask(**how))
    house.drop()
    shown = data(house.ask(**how))
    assert shown["from"] == f"{house.second:%Y-%m-%dT%H:%M:%SZ}"
    assert sum(row["value"] for row in shown["data"]) == 1114
    assert data(house.ask(**how, from_=house.at(house.second, "02T00:00")))["from"] == house.at(
        house.second, "02T00:00"
    )


@pytest.mark.parametrize(
    "how",
    [
        {"windowSize": "MINUTE", "from_": "01T00:00"},
        {"windowSize": "MINUTE", "to": "20T00:00"},
        {"groupBy": ["customerId"], "from_": "10T00:00"},
        {"from_": "10T08:30"},
        {"to": "10T08:52"},
        # Half past eight in Kolkata's hours.
        {"windowSize": "HOUR", "windowTimeZone": "Asia/Kolkata"},
    ],
)
def test_what_would_leave_dropped_events_out_is_refused_with_the_moment_from_which_they_are_kept(house, how):
    asked = {name: house.at(house.first, text) if name in ("from_", "to") else text for name, text in how.items()}
    data(house.ask(**asked))
    house.drop()
    if "windowTimeZone" in how:
        asked["from_"] = house.at(house.first, "01T00:00")
    refusal = refused(house.ask(**asked), 400)
    said = f"Events of before {house.second:%Y-%m-%dT%H:%M:%SZ} are kept no more, and this query needs them"
    assert refusal["detail"].startswith(said)


def test_subjects_and_values_of_dropped_events_are_told_off_rollups_or_refused(house):
    times = f"from={house.at(house.first, '10T08:30')}"
    house.drop()
    assert data(house.api.get("/meters/usage/subjects")) == ["acme", "acme-eu"]
    refused(house.api.get(f"/meters/usage/subjects?{times}"), 400)


def test_a_meter_that_counts_only_from_later_on_needs_nothing_that_was_dropped(api):
    house = House(api)
    make_sum("later", event_from=house.second)
    build_rollups()
    house.drop()
    answer = data(api.post("/meters/later/query", {"windowSize": "MINUTE"}))
    assert "from" not in answer
    assert sum(row["value"] for row in answer["data"]) == 1114
