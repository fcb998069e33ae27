"""The worked figures of billing rules 1, 2 and 3 on invoices, as the close and the changes make them."""

import pytest

from core import clock
from core.periods import CADENCES
from customers.models import Customer
from entitlements.metering.ingest_events import ingest_events
from invoicing.models import Invoice, InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import totals
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def billed():
    """Start and net of each line on issued invoices, in order."""
    lines = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).order_by("period_start", "id")
    return [(f"{line.period_start:%Y-%m-%d %H:%M}", str(line.total)) for line in lines]


def recurring(key, amount, cadence="P1M", term="in_arrears", **overrides):
    card = flat_card(name=key, price=fee(amount, term), billing_cadence=cadence)
    return flat_plan(key, amount, cards=(card,), billing_cadence=cadence or "P1M", **overrides)


# Proration by duration (billing rules 1 and 2)


@pytest.mark.parametrize(
    ("amount", "cadence", "currency", "start", "end", "charged"),
    [
        # 31 of 91 days of a quarter.
        ("9.00", "P3M", "EUR", "2026-04-01", "2026-05-02", "3.07"),
        # 30 of 31 days.
        ("10.00", "P1M", "EUR", "2026-05-01", "2026-05-31", "9.68"),
        # 10 of 31 days, rounded to the places of each currency: 322.58 and 3.22580...
        ("1000", "P1M", "JPY", "2026-05-01", "2026-05-11", "323"),
        ("10", "P1M", "KWD", "2026-05-01", "2026-05-11", "3.226"),
        # 1 of 366 days of a leap year: 1.00.
        ("366.00", "P1Y", "EUR", "2028-01-01", "2028-01-02", "1.00"),
        # A half is rounded away from zero: 15 of 30 days of 0.01.
        ("0.01", "P1M", "EUR", "2026-04-01", "2026-04-16", "0.01"),
    ],
)
def test_a_fee_is_charged_for_the_time_that_was_used(amount, cadence, currency, start, end, charged):
    customer = make_customer(currency=currency)
    subscription = subscribe(recurring("plan", amount, cadence, currency=currency), start, customer=customer)
    with clock.frozen_at(at(end)):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert [str(total) for total in Invoice.objects.filter(number="INV-000001").values_list("total", flat=True)] == [
        charged
    ]
    assert_books_are_clean(f"{end}T00:30")


def test_five_a_month_split_at_14_of_31_days_is_2_26_and_2_74():
    subscription = subscribe(recurring("one", "5.00"), "2026-05-01")
    change(subscription, recurring("two", "5.00"), "2026-05-15")
    run("2026-06-01")
    assert totals() == ["2.26", "2.74"]


def test_a_first_period_cut_short_by_the_calendar_is_prorated_and_the_next_are_whole():
    """16 of 30 days of 30.00 from 15 April; then from the first of each month."""
    subscribe(flat_plan("basic", "30.00"), "2026-04-15", billing_anchor=at("2026-01-01"))
    run("2026-05-01")
    run("2026-06-01")
    assert billed() == [
        ("2026-04-15 00:00", "16.00"),
        ("2026-05-01 00:00", "30.00"),
        ("2026-06-01 00:00", "30.00"),
    ]


@pytest.mark.parametrize("plan_cadence", ["P1Y", "P1M"])
def test_a_year_by_the_calendar_begins_on_1_january(plan_cadence):
    """365.00 a year from 22 March 2027: 285 of 365 days, 285.00; then 365.00 for 2028. Also on a plan that is billed
    monthly."""
    plan = make_plan(
        cards=(flat_card(price=fee("365.00"), billing_cadence="P1Y"),), billing_cadence=plan_cadence, key="year"
    )
    subscribe(plan, "2027-03-22", billing_anchor="calendar")
    run("2028-01-01")
    assert billed() == [("2027-03-22 00:00", "285.00"), ("2028-01-01 00:00", "365.00")]


# Boundaries (billing rules 2)

STARTS = {
    "P1D": ["2027-01-31 00:00", "2027-02-01 00:00", "2027-02-02 00:00"],
    "P1W": ["2027-01-31 00:00", "2027-02-07 00:00", "2027-02-14 00:00"],
    "P2W": ["2027-01-31 00:00", "2027-02-14 00:00", "2027-02-28 00:00"],
    "P4W": ["2027-01-31 00:00", "2027-02-28 00:00", "2027-03-28 00:00"],
    "P1M": ["2027-01-31 00:00", "2027-02-28 00:00", "2027-03-31 00:00"],
    "P3M": ["2027-01-31 00:00", "2027-04-30 00:00", "2027-07-31 00:00"],
    "P6M": ["2027-01-31 00:00", "2027-07-31 00:00", "2028-01-31 00:00"],
    "P1Y": ["2027-01-31 00:00", "2028-01-31 00:00", "2029-01-31 00:00"],
}


@pytest.mark.parametrize("cadence", STARTS)
def test_each_cadence_is_billed_at_its_own_boundaries_from_the_31st_on(cadence):
    subscribe(recurring("plan", "12.00", cadence, "in_advance"), "2027-01-31")
    last = STARTS[cadence][-1]
    run(last.replace(" ", "T"))
    assert billed() == [(start, "12.00") for start in STARTS[cadence]]
    assert_books_are_clean(last.replace(" ", "T"))


def test_the_table_has_every_cadence():
    assert set(STARTS) == set(CADENCES)


def test_a_fee_of_once_is_billed_once():
    subscribe(recurring("plan", "12.00", None, "in_advance"), "2027-01-31")
    run("2028-01-31")
    assert billed() == [("2027-01-31 00:00", "12.00")]


def test_a_leap_day_is_billed_on_the_28th_of_other_years():
    subscribe(recurring("plan", "12.00", "P1Y", "in_advance"), "2028-02-29")
    run("2032-02-29")
    assert [start for start, _ in billed()] == [
        "2028-02-29 00:00",
        "2029-02-28 00:00",
        "2030-02-28 00:00",
        "2031-02-28 00:00",
        "2032-02-29 00:00",
    ]


def test_a_customer_who_moves_to_another_time_zone_gets_no_gap_and_no_overlap():
    """Midnight in Berlin is 23:00 UTC in winter, 22:00 in summer; New York would be 4:00."""
    customer = make_customer(time_zone="Europe/Berlin")
    subscribe(recurring("plan", "12.00", "P1M", "in_advance"), "2026-02-28T23:00", customer=customer)
    Customer.objects.update(time_zone="America/New_York")
    run("2026-03-31T22:00")
    run("2026-04-30T22:00")
    assert billed() == [("2026-02-28 23:00", "12.00"), ("2026-03-31 22:00", "12.00"), ("2026-04-30 22:00", "12.00")]
    assert_books_are_clean("2026-04-30T22:30")


# Starts, phases


def test_a_start_in_the_past_bills_every_period_since_then():
    make_default_profile()
    with clock.frozen_at(at("2026-06-10")):
        record_subscription(customer=make_customer(), plan=flat_plan("b", "30.00"), active_from=at("2026-04-01"))
    run("2026-06-10")
    assert (totals(), [start for start, _ in billed()]) == (
        ["90.00"],
        ["2026-04-01 00:00", "2026-05-01 00:00", "2026-06-01 00:00"],
    )


def test_a_start_to_come_bills_nothing_before_it():
    make_default_profile()
    with clock.frozen_at(at("2026-04-01")):
        record_subscription(customer=make_customer(), plan=flat_plan("b", "30.00"), active_from=at("2026-05-01"))
    run("2026-04-30T23:59:59")
    assert totals() == []
    run("2026-05-01")
    assert totals() == ["30.00"]


def test_a_trial_and_a_ramp_are_billed_by_their_own_prices():
    """14 days free; 10.00 a month for two months, from 15 April; then 20.00. Boundaries stay on the first:
    16 of 30 days, a whole May, 14 of 30 days; 16 of 30 days of 20.00, a whole July."""
    plan = make_plan(
        {"cards": [flat_card(price=None)], "duration": "P14D"},
        {"cards": [flat_card(price=fee("10.00"))], "duration": "P2M"},
        {"cards": [flat_card(price=fee("20.00"))]},
    )
    subscribe(plan, "2026-04-01")
    for day in ("2026-04-15", "2026-05-01", "2026-06-01", "2026-06-15", "2026-07-01"):
        run(day)
    assert billed() == [
        ("2026-04-15 00:00", "5.33"),
        ("2026-05-01 00:00", "10.00"),
        ("2026-06-01 00:00", "4.67"),
        ("2026-06-15 00:00", "10.67"),
        ("2026-07-01 00:00", "20.00"),
    ]
    assert_books_are_clean("2026-07-01T00:30")


# Prices of usage (billing rules 3), also in a period that is cut short: they are never prorated

GRADUATED = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {
            "upToAmount": "5",
            "flatPrice": {"type": "flat", "amount": "100"},
            "unitPrice": {"type": "unit", "amount": "0"},
        },
        {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": "50"}, "unitPrice": None},
        {"upToAmount": "15", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "5"}},
        {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "1"}},
    ],
}
HALF_OFF_UP_TO_60 = {
    "price": {"type": "unit", "amount": "10", "maximumAmount": "60"},
    "discounts": {"percentage": {"percentage": 50}},
}


@pytest.mark.parametrize("start", ["2026-04-01", "2026-04-21"])
@pytest.mark.parametrize(
    ("terms", "used", "charged"),
    [
        ({"price": GRADUATED}, "22", "182.00"),
        ({"price": {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}}, "200", "8.00"),
        (HALF_OFF_UP_TO_60, "14", "60.00"),
    ],
)
def test_usage_is_charged_by_its_price_however_long_the_period_is(start, terms, used, charged):
    feature = make_feature(key="calls", meter=make_meter())
    plan = make_plan(cards=(usage_card(key="calls", name="Calls", feature=feature, **terms),))
    subscribe(plan, start, billing_anchor=at("2026-04-01"))
    with clock.frozen_at(at("2026-04-25")):
        event = {"id": "1", "source": "test", "type": "usage", "subject": "acme", "data": {"amount": used}}
        ingest_events(events=[event | {"time": "2026-04-25T00:00:00Z"}])
    run("2026-05-01")
    assert billed() == [(f"{start} 00:00", charged)]
