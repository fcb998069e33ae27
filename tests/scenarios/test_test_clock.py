"""The test clock: forward only, and everything that falls due on the way happens in order of time."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import Conflict
from core.testclock.models import ClockSetting
from core.testclock.selectors import on_the_clock, stored_time
from invoicing.models import Invoice
from invoicing.runs.advance_clock import advance_clock, set_clock
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db


def go_to(moment):
    set_clock(now=at(moment))
    advance_clock()
    assert ClockSetting.objects.get().advancing_to is None
    assert stored_time() == at(moment)


def issued():
    invoices = Invoice.objects.filter(issued_at__isnull=False).order_by("sequence")
    return [(invoice.issued_at, str(invoice.total), invoice.status) for invoice in invoices]


def test_the_excess_story_runs_on_the_test_clock():
    go_to("2026-03-17")
    with on_the_clock():
        subscription = record_subscription(customer=make_customer(), plan=make_excess_plan(), active_from=clock.now())
    go_to("2026-04-16T22:00")
    with on_the_clock():
        record_report(item=subscription.items.get(running_number=2), quantity=Decimal(200))
    go_to("2026-04-17")
    assert issued() == [(at("2026-03-17"), "50.00", "paid"), (at("2026-04-17"), "58.00", "paid")]
    go_to("2026-04-18")
    assert len(issued()) == 2


def test_a_long_jump_stops_at_every_billing_date():
    make_default_profile(collection_method="send_invoice", due_after="P10D")
    go_to("2026-01-31")
    with on_the_clock():
        record_subscription(customer=make_customer(), plan=make_excess_plan(), active_from=clock.now())
    go_to("2026-05-05")
    assert issued() == [
        (at("2026-01-31"), "50.00", "overdue"),
        (at("2026-02-28"), "50.00", "overdue"),
        (at("2026-03-31"), "50.00", "overdue"),
        (at("2026-04-30"), "50.00", "issued"),
    ]


def test_the_clock_goes_anywhere_before_there_is_anything_to_bill_then_only_forward():
    go_to("2030-01-01")
    go_to("2026-03-17")
    with on_the_clock():
        record_subscription(customer=make_customer(), plan=make_excess_plan(), active_from=clock.now())
    with pytest.raises(Conflict, match="only goes forward"):
        set_clock(now=at("2026-03-16"))
    assert stored_time() == at("2026-03-17")


def test_an_advance_that_was_cut_off_is_finished():
    go_to("2026-03-17")
    with on_the_clock():
        record_subscription(customer=make_customer(), plan=make_excess_plan(), active_from=clock.now())
    set_clock(now=at("2026-06-01"))
    ClockSetting.objects.update(now=at("2026-04-17"))  # as a worker that died on the way left it
    advance_clock()
    # What two months owe by then comes on one invoice; the month after comes in its turn.
    assert issued() == [(at("2026-04-17"), "100.00", "paid"), (at("2026-05-17"), "50.00", "paid")]
