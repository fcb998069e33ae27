"""Periods as customers see them on their invoices: the last of the month, and across a change of the clocks."""

from datetime import timedelta

import pytest

from core import clock
from core.periods import zone_info
from invoicing.models import InvoiceLine
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


def billed_periods(*, zone, start, anchor=None, cadence="P1M", until):
    """The local starts of the periods billed by `until`, with their totals."""
    customer = make_customer(time_zone=zone)
    fee = {"type": "flat", "amount": "31.00", "paymentTerm": "in_arrears"}
    plan = make_plan(cards=(flat_card(price=fee, billing_cadence=cadence),), billing_cadence=cadence)
    with clock.frozen_at(at(start)):
        record_subscription(
            customer=customer, plan=plan, active_from=at(start), billing_anchor=at(anchor) if anchor else None
        )
    moment = at(start)
    while moment <= at(until):
        with clock.frozen_at(moment):
            run_due(as_of=moment)
        moment += timedelta(days=7)
    lines = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).order_by("period_start")
    return [(f"{line.period_start.astimezone(zone_info(zone)):%Y-%m-%d %H:%M}", str(line.total)) for line in lines]


def test_a_month_that_begins_on_the_31st_begins_on_the_last_day_of_shorter_months():
    assert billed_periods(zone="UTC", start="2028-01-31", until="2028-06-10") == [
        ("2028-01-31 00:00", "31.00"),
        ("2028-02-29 00:00", "31.00"),
        ("2028-03-31 00:00", "31.00"),
        ("2028-04-30 00:00", "31.00"),
    ]


def test_boundaries_keep_the_customers_wall_time_when_the_clocks_change():
    # Midnight in Berlin is 23:00 UTC in winter and 22:00 in summer; the month of the change is a whole month.
    assert billed_periods(zone="Europe/Berlin", start="2026-02-28T23:00", until="2026-05-20") == [
        ("2026-03-01 00:00", "31.00"),
        ("2026-04-01 00:00", "31.00"),
    ]


def test_a_first_period_cut_short_is_charged_by_its_seconds_also_in_the_month_of_the_change():
    # From 16 March, 00:00 in Berlin: 16 days, one of them an hour shorter: 383 of the month's 743 hours, 15.98.
    assert billed_periods(
        zone="Europe/Berlin", start="2026-03-15T23:00", anchor="2026-02-28T23:00", until="2026-04-10"
    ) == [("2026-03-16 00:00", "15.98")]
