import pytest

from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import make_meter
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


def use(api, number, time, amount, model="gpt-4", subject="acme", **more):
    body = {"id": f"e{number}", "source": "t", "type": "usage", "subject": subject, "time": time}
    data(api.post("/events", body | {"data": {"amount": amount, "model": model, **more}}), 204)


@pytest.fixture(autouse=True)
def usage(api):
    make_meter(group_by={"model": "$.model"})
    make_customer(subjects=("acme", "acme-eu"))
    use(api, 1, "2026-03-17T08:30:00Z", 5)
    use(api, 2, "2026-03-17T09:00:00Z", "2.5", model="gpt-3.5")
    use(api, 3, "2026-03-18T00:00:00Z", 1, subject="acme-eu")
    use(api, 4, "2026-04-01T00:00:00Z", 10, subject="bolt")


def rows(api, query="", slug="usage"):
    return data(api.get(f"/meters/{slug}/query{query}"))["data"]


def test_the_total_of_a_span_is_half_open(api):
    span = "from=2026-03-17T00:00:00Z&to=2026-03-18T00:00:00Z"
    assert data(api.get(f"/meters/usage/query?{span}")) == {
        "from": "2026-03-17T00:00:00Z",
        "to": "2026-03-18T00:00:00Z",
        "data": [
            {
                "value": 7.5,
                "windowStart": "2026-03-17T00:00:00Z",
                "windowEnd": "2026-03-18T00:00:00Z",
                "subject": None,
                "groupBy": {},
            }
        ],
    }


def test_without_a_span_the_rows_name_the_first_and_last_event(api):
    (row,) = rows(api)
    assert (row["value"], row["windowStart"], row["windowEnd"]) == (
        18.5,
        "2026-03-17T08:30:00Z",
        "2026-04-01T00:00:00Z",
    )


def test_windows_follow_the_time_zone(api):
    shown = rows(api, "?windowSize=DAY&windowTimeZone=America/New_York")
    assert [(row["windowStart"], row["windowEnd"], row["value"]) for row in shown] == [
        ("2026-03-17T04:00:00Z", "2026-03-18T04:00:00Z", 8.5),
        ("2026-03-31T04:00:00Z", "2026-04-01T04:00:00Z", 10),
    ]
    months = rows(api, "?windowSize=MONTH&windowTimeZone=Europe/Berlin")
    assert [(row["windowStart"], row["windowEnd"]) for row in months] == [
        ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"),
    ]


def test_an_hour_that_comes_twice_is_two_windows(api):
    use(api, 5, "2026-10-25T00:30:00Z", 1)
    use(api, 6, "2026-10-25T01:30:00Z", 1)
    shown = rows(api, "?windowSize=HOUR&windowTimeZone=Europe/Berlin&from=2026-10-25T00:00:00Z")
    assert [(row["windowStart"], row["windowEnd"]) for row in shown] == [
        ("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        ("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
    ]


def test_a_day_that_begins_at_one_ends_at_midnight(api):
    """In Santiago, the clock goes from midnight to one on 6 September."""
    use(api, 5, "2026-09-06T04:00:00Z", 1)
    (shown,) = rows(api, "?windowSize=DAY&windowTimeZone=America/Santiago&from=2026-09-01T00:00:00Z")
    assert (shown["windowStart"], shown["windowEnd"]) == ("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z")


def test_groups(api):
    shown = rows(api, "?groupBy=model&groupBy=subject")
    assert [(row["groupBy"], row["subject"], row["value"]) for row in shown] == [
        ({"model": "gpt-3.5"}, "acme", 2.5),
        ({"model": "gpt-4"}, "acme", 5),
        ({"model": "gpt-4"}, "acme-eu", 1),
        ({"model": "gpt-4"}, "bolt", 10),
    ]


def test_by_customer(api):
    shown = rows(api, "?groupBy=customerId")
    assert sorted(row["value"] for row in shown) == [8.5, 10]
    (mine,) = [row["customerId"] for row in shown if "customerId" in row]
    assert [row["value"] for row in rows(api, f"?filterCustomerId={mine}")] == [8.5]
    # The same as a filter of the dimension; of both, what both let through.
    assert [row["value"] for row in rows(api, f"?filterGroupBy[customerId]={mine.lower()}")] == [8.5]
    other = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert [row["value"] for row in rows(api, f"?filterGroupBy[customerId]={mine}&filterCustomerId={mine}")] == [8.5]
    assert rows(api, f"?filterGroupBy[customerId]={other}&filterCustomerId={mine}") == []


@pytest.mark.parametrize("text", ["acme", "Z" * 26, "é" * 26])
def test_a_filter_by_what_is_no_customers_id_is_400(api, text):
    problem = refused(api.get(f"/meters/usage/query?filterGroupBy[customerId]={text}"), 400)
    assert "is no id of a customer" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("?subject=acme", 7.5),
        ("?subject=acme&subject=bolt", 17.5),
        ("?filterGroupBy[model]=gpt-4", 16),
        ("?filterGroupBy[model]=gpt-4&filterGroupBy[model]=gpt-3.5", 18.5),
    ],
)
def test_filters(api, query, value):
    assert [row["value"] for row in rows(api, query)] == [value]


def test_the_same_as_a_post(api):
    body = {
        "from": "2026-03-17T00:00:00Z",
        "windowSize": "MONTH",
        "filterGroupBy": {"model": ["gpt-4"]},
        "subject": ["acme", "acme-eu"],
        "groupBy": ["model"],
    }
    shown = data(api.post("/meters/usage/query", body))
    assert (shown["windowSize"], [row["value"] for row in shown["data"]]) == ("MONTH", [6])
    advanced = {"advancedMeterGroupByFilters": {"model": {"$in": ["gpt-3.5"]}}}
    assert [row["value"] for row in data(api.post("/meters/usage/query", advanced))["data"]] == [2.5]
    # Where both ways name a dimension, both have to hold.
    for models, values in ((["gpt-4"], []), (["gpt-4", "gpt-3.5"], [2.5])):
        both = advanced | {"filterGroupBy": {"model": models}}
        assert [row["value"] for row in data(api.post("/meters/usage/query", both))["data"]] == values


@pytest.mark.parametrize(
    ("aggregation", "path", "value"),
    [
        ("SUM", "$.amount", 18.5),
        ("COUNT", None, 4),
        ("UNIQUE_COUNT", "$.model", 2),
        ("AVG", "$.amount", 4.625),
        ("MIN", "$.amount", 1),
        ("MAX", "$.amount", 10),
        ("LATEST", "$.amount", 10),
    ],
)
def test_aggregations(api, aggregation, path, value):
    make_meter(key="other", aggregation=aggregation, value_property=path)
    assert [row["value"] for row in rows(api, slug="other")] == [value]


def test_values_from_before_the_meter_that_are_no_numbers_count_as_nothing(api):
    use(api, 7, "2026-03-17T10:00:00Z", 1, cost="unknown")
    use(api, 8, "2026-03-17T10:00:00Z", 1, cost=3)
    make_meter(key="cost", value_property="$.cost")
    assert [row["value"] for row in rows(api, slug="cost")] == [3]


def test_csv(api):
    response = api.get("/meters/usage/query?groupBy=model&windowSize=MONTH", Accept="text/csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content.decode().splitlines() == [
        "window_start,window_end,model,value",
        "2026-03-01T00:00:00+00:00,2026-04-01T00:00:00+00:00,gpt-3.5,2.5",
        "2026-03-01T00:00:00+00:00,2026-04-01T00:00:00+00:00,gpt-4,6",
        "2026-04-01T00:00:00+00:00,2026-05-01T00:00:00+00:00,gpt-4,10",
    ]
    refused(api.get("/meters/usage/query?from=x", Accept="text/csv"), 400)


def test_subjects_and_group_values(api):
    assert data(api.get("/meters/usage/subjects")) == ["acme", "acme-eu", "bolt"]
    assert data(api.get("/meters/usage/group-by/model/values?to=2026-03-17T09:00:00Z")) == ["gpt-4"]
    refused(api.get("/meters/usage/group-by/color/values"), 400)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?from=x", "from"),
        ("?from=2026-03-18T00:00:00Z&to=2026-03-17T00:00:00Z", "to"),
        ("?windowSize=YEAR", "windowSize"),
        ("?windowTimeZone=Mars/Olympus", "timezone"),
        ("?filterCustomerId=acme", "filterCustomerId.0"),
        ("?filterGroupBy=%7B%27model%27%3A+%27gpt-4%27%7D", "filterGroupBy"),
        ("?filterGroupBy[]=a", "filterGroupBy"),
    ],
)
def test_a_query_that_cant_be_read_is_400(api, query, field):
    assert list(fields_at_fault(api.get(f"/meters/usage/query{query}"))) == [field]


def test_an_unknown_dimension_or_meter_is_refused(api):
    assert "model, subject, customerId" in refused(api.get("/meters/usage/query?groupBy=color"), 400)["detail"]
    refused(api.get("/meters/usage/query?filterGroupBy[color]=red"), 400)
    refused(api.get("/meters/nothing/query"), 404)
