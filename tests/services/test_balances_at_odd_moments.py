"""Balances where subjects move within an hour, customers get another key, and clocks change (billing rules 9)."""

import pytest

from core import clock
from customers.services.customer_input import CustomerInput
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.models import BalanceSnapshot
from invoicing.customer_guards.update_customer import update_customer
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, figures, give

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def calls():
    meter = create_meter(key="usage", event_type="usage", aggregation="SUM", value_property="$.amount")
    return make_feature(key="calls", name="Calls", meter=meter)


def use(on, amount, subject="robot"):
    event = {"id": on, "source": "s", "type": "usage", "subject": subject, "time": f"{on}Z"}
    with clock.frozen_at(at("2026-12-31")):
        ingest_events(events=[event | {"data": {"amount": amount}}])


def attribute(customer, on, *subjects, key=None):
    with clock.frozen_at(at(on)):
        terms = CustomerInput(name=customer.name, key=key or customer.key, currency="EUR", subjects=subjects)
        update_customer(customer=customer, replacement=terms)


def test_a_subject_that_moves_within_an_hour_leaves_each_its_part_whoever_is_asked_first():
    old, new = make_customer(subjects=("robot",)), make_customer(key="bolt", name="Bolt", subjects=())
    of_old, of_new = entitle(old, on="2026-04-01T00:20"), entitle(new, on="2026-04-01T00:20")
    for on, amount in (
        ("2026-04-10T10:10:00", 1),
        ("2026-04-10T10:29:59", 2),
        ("2026-04-10T10:30:00", 4),
        ("2026-04-10T10:44:59", 8),
        ("2026-04-10T10:45:00", 16),
        ("2026-04-10T10:59:59", 32),
    ):
        use(on, amount)
    assert figures(of_old, "2026-04-11")[2] == "63"
    attribute(old, "2026-04-10T10:30", "nobody")
    assert figures(of_old, "2026-04-11")[2] == "3"
    attribute(new, "2026-04-10T10:45", "robot")
    for _ in range(2):  # the second time off snapshots
        # What came while nobody had it is the next owner's.
        assert figures(of_new, "2026-04-11")[2] == "60"
        assert figures(of_old, "2026-04-11")[2] == "3"
    assert BalanceSnapshot.objects.exists()
    # What comes late goes to whoever had the subject then.
    use("2026-04-10T10:20:00", 10)
    use("2026-04-10T10:40:00", 10, "robot")
    assert [figures(each, "2026-04-11")[2] for each in (of_old, of_new)] == ["13", "70"]


def test_a_customer_with_another_key_keeps_what_was_used():
    customer = make_customer(subjects=("robot",))
    entitlement = entitle(customer)
    use("2026-04-10T10:10:00", 30)
    assert figures(entitlement, "2026-04-20") == (True, "100", "30", "70", "0")
    attribute(customer, "2026-04-15", "robot", key="acme-2")
    use("2026-04-16T00:00:00", 5)
    assert figures(entitlement, "2026-04-20") == (True, "100", "35", "65", "0")


def test_days_that_begin_in_the_hour_that_clocks_skip_or_repeat():
    """From half past two in Berlin: on 29 March at 03:30, 01:30 UTC; on 25 October at the first of two, 00:30 UTC."""
    berlin = make_customer(subjects=("robot",), time_zone="Europe/Berlin")
    entitlement = entitle(berlin, on="2026-03-27T01:30", usage_period=("P1D", None))
    for on in ("2026-03-29T01:29:59", "2026-03-29T01:30:00", "2026-03-30T00:29:59", "2026-03-30T00:30:00"):
        use(on, 1)
    used = [(f"2026-03-{day}", figures(entitlement, f"2026-03-{day}")[2]) for day in ("29T01:29", "29T01:30")]
    assert used == [("2026-03-29T01:29", "0"), ("2026-03-29T01:30", "0")]
    assert figures(entitlement, "2026-03-29T12:00")[2] == "1"
    assert figures(entitlement, "2026-03-30T00:29")[2] == "1"
    assert figures(entitlement, "2026-03-30T12:00")[2] == "1"
    for on in ("2026-10-25T00:29:59", "2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-26T01:30:00"):
        use(on, 1)
    assert figures(entitlement, "2026-10-25T00:30")[2] == "0"
    assert figures(entitlement, "2026-10-25T01:30")[2] == "1"
    assert figures(entitlement, "2026-10-26T01:29")[2] == "2"
    assert figures(entitlement, "2026-10-26T01:31")[2] == "1"


def test_a_grant_that_recurs_in_an_hour_that_comes_twice_is_renewed_once():
    berlin = make_customer(subjects=("robot",), time_zone="Europe/Berlin")
    entitlement = entitle(berlin, on="2026-10-01", issue=None)
    give(entitlement, "10", "2026-10-24T00:30", recurrence=("DAY", None))
    use("2026-10-25T00:10:00", 4)
    use("2026-10-25T00:40:00", 3)
    use("2026-10-25T01:40:00", 2)
    assert figures(entitlement, "2026-10-25T00:29")[3] == "6"
    assert figures(entitlement, "2026-10-25T00:30")[3] == "10"
    assert figures(entitlement, "2026-10-25T01:30")[3] == "7"
    assert figures(entitlement, "2026-10-26T01:29")[3] == "5"
    assert figures(entitlement, "2026-10-26T01:30")[3] == "10"
