"""A spending threshold: whoever reaches it is billed for what they used, each time, once (billing rules 7)."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import BillingProfile
from entitlements.features.create_feature import create_feature
from entitlements.metering.create_meter import create_meter
from entitlements.models import SpendingChange
from entitlements.notices.changes import note_usage
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.profile_moves.make_default_profile import make_default_profile as make_default
from invoicing.profile_moves.pin_customer import override_billing, pin_customer
from invoicing.progressive.watch_spending import watch_spending
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.closing import run
from tests.support.crowd import at_once
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import money
from tests.support.notices import report
from tests.support.subscriptions import subscribe
from tests.support.usage import UNIT, metered

pytestmark = pytest.mark.django_db


def customer(currency="EUR", **card):
    """Acme, billed for calls whenever 100.00 EUR are reached."""
    make_default_profile(progressive_billing=True, progressive_threshold="100", progressive_threshold_currency=currency)
    with clock.frozen_at(at("2026-03-01")):
        create_meter(key="calls", event_type="usage", aggregation="SUM", value_property="$.amount")
        calls = create_feature(key="calls", name="Calls", meter_key="calls")
    return subscribe(metered(calls, **card)).customer


def used(on, amount):
    """What the watch makes of one more event; the totals of its invoices."""
    before = set(Invoice.objects.filter(issued_at__isnull=False).values_list("pk", flat=True))
    report(on, amount)
    with clock.frozen_at(at(on)):
        while note_usage():
            pass
        watch_spending()
    made = Invoice.objects.filter(issued_at__isnull=False).exclude(pk__in=before)
    return [money(total) for total in made.order_by("number").values_list("total", flat=True)]


def test_each_time_the_threshold_is_reached_what_was_used_is_billed():
    customer()
    assert used("2026-04-05T01:00", 60) == []
    assert used("2026-04-06T01:00", 50) == ["110.00"]
    assert used("2026-04-07T01:00", 99) == []
    assert used("2026-04-08T01:00", 1) == ["100.00"]
    assert not SpendingChange.objects.exists()
    assert_books_are_clean("2026-04-09")
    run("2026-05-01")
    assert_books_are_clean("2026-05-01T00:30")


def test_a_minimum_spend_is_not_spent_yet():
    customer(price=UNIT | {"minimumAmount": "500.00"})
    assert used("2026-04-05T01:00", 60) == []
    assert used("2026-04-06T01:00", 40) == ["100.00"]


def test_another_currency_is_not_looked_at():
    customer(currency="USD")
    assert used("2026-04-05T01:00", 600) == []


def test_who_is_not_billed_so_is_not_noted():
    made = customer()
    make_default_profile(progressive_billing=False)
    assert used("2026-04-05T01:00", 600) == []
    make_default_profile(progressive_billing=True, progressive_threshold=None, progressive_threshold_currency="")
    report("2026-04-06T01:00", 1)
    with clock.frozen_at(at("2026-04-06T01:00")):
        note_usage()
    assert not SpendingChange.objects.exists()
    assert close_customers([made.pk], as_of=at("2026-04-06"))


def test_who_is_parked_waits_and_stops_nobody():
    made = customer()
    ParkedCustomer.objects.create(customer=made, cause_code="no_price", cause="Calls has no price.")
    assert used("2026-04-05T01:00", 600) == []
    assert not SpendingChange.objects.exists()
    # Nobody waits for the next usage once they are released.
    with clock.frozen_at(at("2026-04-06")):
        release_customer(parked=ParkedCustomer.objects.get(), reason="Mended")
    assert watched("2026-04-06T00:01") == ["600.00"]


def watched(on):
    """What the watch makes without any more usage: the totals of its invoices."""
    before = set(Invoice.objects.filter(issued_at__isnull=False).values_list("pk", flat=True))
    with clock.frozen_at(at(on)):
        watch_spending()
    made = Invoice.objects.filter(issued_at__isnull=False).exclude(pk__in=before)
    return [money(total) for total in made.order_by("number").values_list("total", flat=True)]


def test_a_threshold_that_is_lowered_is_looked_at_without_more_usage():
    customer()
    assert used("2026-04-05T01:00", 60) == []
    make_default_profile(progressive_threshold=Decimal(200))
    make_default_profile(name="Standard")
    assert not SpendingChange.objects.exists()
    make_default_profile(progressive_threshold=Decimal(61))
    assert watched("2026-04-05T02:00") == []
    make_default_profile(progressive_threshold=Decimal(60))
    assert watched("2026-04-05T03:00") == ["60.00"]
    assert watched("2026-04-05T04:00") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"progressive_threshold": None}, {"progressive_threshold": 50}),
        ({"progressive_billing": False}, {"progressive_billing": True}),
        ({"progressive_threshold_currency": "USD"}, {"progressive_threshold_currency": "EUR"}),
    ],
    ids=["named", "allowed", "in this currency"],
)
def test_a_threshold_that_holds_from_now_on_is_looked_at_at_once(before, after):
    customer()
    make_default_profile(**before)
    assert used("2026-04-05T01:00", 120) == []
    make_default_profile(**after)
    assert watched("2026-04-05T02:00") == ["120.00"]


def test_a_customer_with_a_lower_threshold_of_their_own_is_looked_at_and_nobody_else():
    made = customer()
    subscribe(made.subscriptions.get().plan, customer=make_customer(key="globex", name="Globex"))
    report("2026-04-05T01:00", 60, "acme", "globex")
    with clock.frozen_at(at("2026-04-05T02:00")):
        while note_usage():
            pass
    assert watched("2026-04-05T02:00") == []
    with clock.frozen_at(at("2026-04-05T03:00")):
        override_billing(
            customer=made,
            profile=None,
            reason="Agreed",
            workflow={"progressive_threshold": Decimal(50), "progressive_threshold_currency": "EUR"},
        )
    assert set(SpendingChange.objects.values_list("customer_id", flat=True)) == {made.pk}
    assert watched("2026-04-05T03:01") == ["60.00"]


def test_who_is_moved_to_a_profile_with_a_lower_threshold_is_looked_at():
    made = customer()
    default = make_default_profile(progressive_threshold=None, progressive_threshold_currency="")
    lower = BillingProfile.objects.create(
        name="Lower",
        supplier=default.supplier,
        app=default.app,
        progressive_billing=True,
        progressive_threshold=Decimal(50),
        progressive_threshold_currency="EUR",
    )
    assert used("2026-04-05T01:00", 60) == []
    with clock.frozen_at(at("2026-04-05T02:00")):
        pin_customer(customer=made, profile=lower, reason="Agreed")
    assert watched("2026-04-05T02:01") == ["60.00"]


def test_who_follows_another_default_with_a_threshold_is_looked_at():
    customer()
    default = make_default_profile(progressive_threshold=None, progressive_threshold_currency="")
    other = BillingProfile.objects.create(
        name="Other",
        supplier=default.supplier,
        app=default.app,
        progressive_billing=True,
        progressive_threshold=Decimal(50),
        progressive_threshold_currency="EUR",
    )
    assert used("2026-04-05T01:00", 60) == []
    with clock.frozen_at(at("2026-04-05T02:00")):
        make_default(profile=other)
    assert watched("2026-04-05T02:01") == ["60.00"]


def test_one_who_can_not_be_billed_stops_nobody_else():
    customer()
    gone = make_customer(key="globex", name="Globex")
    SpendingChange.objects.create(customer_id=gone.pk)
    gone.delete()
    assert used("2026-04-05T01:00", 600) == ["600.00"]
    assert not SpendingChange.objects.exists()


def test_the_schedule_and_the_test_clock_look():
    customer()
    report("2026-04-05T01:00", 120)
    run("2026-04-05T02:00")
    assert [money(each.total) for each in Invoice.objects.filter(issued_at__isnull=False)] == ["120.00"]


def test_what_was_noted_twice_is_billed_once():
    made = customer()
    report("2026-04-05T01:00", 120)
    with clock.frozen_at(at("2026-04-05T02:00")):
        note_usage()
        SpendingChange.objects.create(customer_id=made.pk)
        assert (watch_spending(), watch_spending()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_two_workers_bill_each_crossing_once():
    plan = customer().subscriptions.get().plan
    keys = [f"c{index}" for index in range(6)]
    for key in keys:
        subscribe(plan, customer=make_customer(key=key, name=key))
    report("2026-04-05T01:00", 120, *keys)
    now = at("2026-04-05T02:00")
    with clock.frozen_at(now):
        while note_usage():
            pass
    made_by = at_once(watch_spending, watch_spending, now=now)
    assert sum(made_by) == Invoice.objects.filter(issued_at__isnull=False).count() == 6
    assert {money(invoice.total) for invoice in Invoice.objects.filter(issued_at__isnull=False)} == {"120.00"}
