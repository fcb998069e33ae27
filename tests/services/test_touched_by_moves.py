"""A subject that comes to another customer marks its hours, for thresholds and for late usage."""

import pytest

from core import clock
from customers.services.attribute_usage import attribute_usage
from entitlements.metering.create_meter import create_meter
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.touched import Reader, claim_touched
from entitlements.models import SubjectChange
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def used():
    """Two hours of one subject and one of another, all looked at before."""
    create_meter(key="usage", event_type="usage", aggregation="SUM", value_property="$.amount")
    times = [("acme", "2026-03-01T10:30:00Z"), ("acme", "2026-03-02T11:30:00Z"), ("bolt", "2026-03-02T11:30:00Z")]
    ingest_events(
        events=[
            {"id": f"e{n}", "source": "s", "type": "usage", "subject": subject, "time": time, "data": {"amount": 5}}
            for n, (subject, time) in enumerate(times)
        ]
    )
    for reader in Reader:
        assert len(claim_touched(reader)) == 3
        assert claim_touched(reader) == []


def hours(reader):
    return [(each.subject, f"{each.hour:%m-%d %H}") for each in claim_touched(reader)]


def test_a_new_subject_brings_all_its_hours_to_either_reader(used):
    attribute_usage(customer=make_customer(), subjects=["acme"])
    assert hours(Reader.LATE_USAGE) == [("acme", "03-01 10"), ("acme", "03-02 11")]
    assert hours(Reader.THRESHOLDS) == [("acme", "03-01 10"), ("acme", "03-02 11")]
    assert hours(Reader.LATE_USAGE) == []
    assert not SubjectChange.objects.exists()


def test_one_that_is_given_up_and_taken_by_another_marks_from_then_on(used):
    old, new = make_customer(key="old", subjects=("acme",)), make_customer(key="new")
    for reader in Reader:
        claim_touched(reader)
    with clock.frozen_at(at("2026-03-02T11:45")):
        attribute_usage(customer=old, subjects=[])
        attribute_usage(customer=new, subjects=["acme"])
    assert hours(Reader.THRESHOLDS) == hours(Reader.LATE_USAGE) == [("acme", "03-02 11")]


def test_what_changes_nothing_marks_nothing(used):
    customer = make_customer(subjects=("acme",))
    for reader in Reader:
        claim_touched(reader)
    attribute_usage(customer=customer, subjects=["acme"])
    customer.usage_subjects.update(key="acme")
    assert hours(Reader.THRESHOLDS) == hours(Reader.LATE_USAGE) == []
