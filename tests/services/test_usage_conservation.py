"""No usage is lost or billed twice, whatever comes late or changes in between (billing rules 6 and 13, point 8)."""

import re

import pytest
from django.db import connection

from core import clock
from customers.services.attribute_usage import attribute_usage
from entitlements.models import Meter, UsageEvent
from invoicing.closing.close_customers import close_customers
from invoicing.drafts.delete_draft import delete_draft
from invoicing.models import BilledWindow, Invoice, InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.conservation import UsageLedger
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.late_usage import cases
from tests.support.subscriptions import change, edit, subscribe
from tests.support.usage import UNIT, billed, metered, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def take_back_the_end(subscription, on):
    """As whatever lets a subscription last on whose end has been billed up to."""
    with clock.frozen_at(at(on)):
        Subscription.objects.filter(pk=subscription.pk).update(active_to=None)
        subscription.items.get().revisions.update(active_to=None)
        mark_for_billing(subscription=subscription, changed_from=at("2026-04-01"))


def test_a_window_of_usage_that_was_billed_up_to_an_end_grows_by_nothing(calls):
    """Five units were billed up to the 16th. The end is taken back; seven more come, in a window of their own."""
    subscription = subscribe(metered(calls))
    use("2026-04-10", "5")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-04-16"))
    run("2026-04-16")
    assert billed() == [("04-01", "04-16", "5", "5.00")]
    take_back_the_end(subscription, "2026-04-17")
    use("2026-04-20", "7")
    run("2026-05-01")
    run("2026-05-01T00:10")
    assert billed() == [("04-01", "04-16", "5", "5.00"), ("04-16", "05-01", "7", "7.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_the_later_part_of_a_cut_period_counts_on_in_its_free_units(calls):
    """Ten free units: five and seven make two to be charged."""
    subscription = subscribe(metered(calls, discounts={"usage": {"quantity": "10"}}))
    use("2026-04-10", "5")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-04-16"))
    run("2026-04-16")
    take_back_the_end(subscription, "2026-04-17")
    use("2026-04-20", "7")
    run("2026-05-01")
    assert billed() == [("04-01", "04-16", "5", "0.00"), ("04-16", "05-01", "7", "2.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_window_that_lasts_longer_than_what_was_billed_is_found(calls):
    subscription = subscribe(metered(calls))
    use("2026-04-10", "5")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-04-16"))
    run("2026-04-16")
    use("2026-04-20", "7")
    BilledWindow.objects.update(span="[2026-04-01Z,2026-05-01Z)")
    code, said = run_check("--only", "8", now="2026-05-01T00:30")
    assert code == 1, said
    assert (
        "1 events are in its active time, which come to 5. Its windows, billed and open, miss 0 of them, which come to "
        "0, hold 0 more than once (0), and 1 from outside of that time (7)."
    ) in said


def test_an_event_that_is_missing_and_one_that_counts_twice_are_no_sum_that_is_right(calls):
    """In three months, 5, 7 and 11 units: the first window ends before its event, and the second reaches over the
    third's."""
    subscribe(metered(calls))
    for on, units in (("2026-04-10", "5"), ("2026-05-10", "7"), ("2026-06-10", "11")):
        use(on, units)
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    BilledWindow.objects.filter(span__startswith=at("2026-05-01")).update(span="[2026-05-01Z,2026-06-15Z)")
    BilledWindow.objects.filter(span__startswith=at("2026-04-01")).update(span="[2026-04-01Z,2026-04-05Z)")
    code, said = run_check("--only", "8", now="2026-07-01T00:30")
    assert code == 1, said
    assert (
        "3 events are in its active time, which come to 23. Its windows, billed and open, miss 1 of them, which come "
        "to 5, hold 1 more than once (11), and 0 from outside of that time (0)."
    ) in said


@pytest.mark.parametrize("by", ["change of plan", "edit of the price"])
def test_what_came_late_for_an_earlier_window_takes_up_no_free_units_of_the_next(calls, by):
    """100 free units. 50 are billed at the change on the 16th; 60 come late for the 10th, then 50 more: the second line
    sees 50 before it and charges nothing, and the 60 wait."""
    free = {"usage": {"quantity": "100"}}
    subscription = subscribe(metered(calls, discounts=free))
    use("2026-04-05", "50")
    if by == "change of plan":
        change(subscription, metered(calls, "pro", discounts=free))
    else:
        dearer = RateCardTerms(
            type="usage_based",
            key="calls",
            name="Calls",
            billing_cadence="P1M",
            feature_key="calls",
            price={"type": "unit", "amount": "2.00"},
            discounts=free,
        )
        edit(subscription, "2026-04-16", AddItem("phase_1", dearer))
    run("2026-04-16")
    use("2026-04-10", "60")
    use("2026-04-20", "50")
    run("2026-05-01")
    assert billed() == [("04-01", "04-16", "50", "0.00"), ("04-16", "05-01", "50", "0.00")]
    second = InvoiceLine.objects.get(period_end=at("2026-05-01"), kind="usage", invoice__issued_at__isnull=False)
    assert second.pre_period_quantity == 50
    code, said = run_check(now="2026-05-01T00:30")
    assert (code, "late usage of 60 from 2026-04-01 00:00 to 2026-04-16 00:00 UTC: billed for 50" in said) == (
        2,
        True,
    ), said


def test_usage_of_a_subject_that_comes_to_the_customer_later_is_late_usage(calls):
    """1,000 units of April by a subject that is made the customer's on 10 May."""
    subscription = subscribe(metered(calls))
    use("2026-04-20", "3")
    use("2026-04-21", "1000", subject="acme-eu")
    run("2026-05-01")
    assert billed() == [("04-01", "05-01", "3", "3.00")]
    assert_books_are_clean("2026-05-01T00:30")
    with clock.frozen_at(at("2026-05-10")):
        attribute_usage(customer=subscription.customer, subjects=["acme", "acme-eu"])
    code, said = run_check(now="2026-05-10T00:30")
    assert (code, "late usage of 1000 from 2026-04-01 00:00 to 2026-05-01 00:00 UTC: billed for 3" in said) == (
        2,
        True,
    ), said


def test_the_snapshot_is_of_the_moment_at_which_usage_was_read(calls, monkeypatch):
    """A run as of the 1st is worked on the 6th. What came in between was billed, and is not late as well."""
    subscription = subscribe(metered(calls))
    use("2026-04-20", "3")
    with clock.frozen_at(at("2026-05-03")):
        UsageEvent.objects.create(
            source="test",
            external_id="between",
            type="usage",
            subject="acme",
            time=at("2026-04-25"),
            data={"amount": "4"},
        )
    with clock.frozen_at(at("2026-05-06")):
        close_customers([subscription.customer_id], as_of=at("2026-05-01"))
    invoice = Invoice.objects.get(number="INV-000001")
    assert (invoice.quantity_snapshoted_at, money(invoice.total)) == (at("2026-05-06"), "7.00")
    assert_books_are_clean("2026-05-06T00:30")


def test_late_usage_that_lowers_an_average_is_late_and_no_loss(calls):
    average = make_feature(key="load", name="Load", meter=make_meter(key="load", aggregation="AVG"))
    subscribe(flat_plan("avg", None, cards=(usage_card(key="load", name="Load", feature=average, price=UNIT),)))
    use("2026-04-20", "10")
    run("2026-05-01")
    use("2026-04-21", "4")
    code, said = run_check(now="2026-05-01T00:30")
    assert (code, "late usage of -3 from 2026-04-01" in said) == (2, True), said


# What the events of a period come to in two windows, and what is billed for it: 10 and 20 units before a cut, 6 behind.
CUT_PERIODS = {
    "SUM": (("30", "30.00"), ("6", "6.00")),
    "COUNT": (("2", "2.00"), ("1", "1.00")),
    "UNIQUE_COUNT": (("2", "2.00"), ("1", "1.00")),
    "MAX": (("20", "20.00"), ("0", "0.00")),
    "AVG": (("15", "15.00"), ("0", "0.00")),
    "MIN": (("10", "10.00"), ("0", "0.00")),
    "LATEST": (("20", "20.00"), ("0", "0.00")),
}
WHOLE_PERIODS = {"SUM": 36, "COUNT": 3, "UNIQUE_COUNT": 3, "MAX": 20, "AVG": 12, "MIN": 6, "LATEST": 6}
# By a meter that can fall, the first window was billed for so much more than the period comes to.
TOO_MUCH = {"AVG": 3, "MIN": 4, "LATEST": 14}


@pytest.fixture
def cut_period(request):
    """April, read by that aggregation, billed up to the 16th, whose end was taken back; then up to May."""
    counts = {"value_property": None} if request.param == "COUNT" else {}
    meter = make_meter(key="load", aggregation=request.param, **counts)
    subscription = subscribe(metered(make_feature(key="load", name="Load", meter=meter)))
    use("2026-04-05", "10")
    use("2026-04-10", "20")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-04-16"))
    run("2026-04-16")
    take_back_the_end(subscription, "2026-04-17")
    use("2026-04-20", "6")
    run("2026-05-01")
    return request.param


@pytest.mark.parametrize("cut_period", CUT_PERIODS, indirect=True)
def test_the_windows_of_a_cut_period_add_up_to_the_whole_by_every_aggregation(cut_period):
    """Each window's quantity is what it adds to those before it. By a meter that can fall that may be less than
    nothing: it is billed as zero, and the rest is to decide (billing rules 7)."""
    (first, second), whole = CUT_PERIODS[cut_period], WHOLE_PERIODS[cut_period]
    assert billed() == [("04-01", "04-16", *first), ("04-16", "05-01", *second)]
    too_much = TOO_MUCH.get(cut_period, 0)
    assert int(first[0]) + int(second[0]) - too_much == whole
    run("2026-05-01T00:10")
    expected = [("04-16", f"-{too_much}", f"-{too_much}.00", "open")] if too_much else []
    assert cases() == expected
    code, said = run_check(now="2026-05-01T00:30")
    assert code == (2 if too_much else 0), said


@pytest.mark.parametrize(
    ("cut_period", "first", "second"),
    [("SUM", "30", None), ("AVG", "5", "-3.5"), ("LATEST", "10", "-24"), ("MAX", "10", None), ("MIN", None, "-4")],
    indirect=["cut_period"],
)
def test_what_comes_late_for_a_cut_period_is_late_by_what_it_does_to_each_window(cut_period, first, second):
    """30 units come late for the 12th. An average of 12 in the whole period is 16.5 now: 5 more of it in the first
    window, and 3.5 less in the second than the first has then. The latest value of the period stays 6."""
    use("2026-04-12", "30")
    code, said = run_check("--only", "8", now="2026-05-01T00:30")
    found = re.findall(r"late usage of (\S+) from 2026-(\d\d-\d\d) 00:00 to", said)
    late = {start: quantity for quantity, start in found}
    assert (code, late.get("04-01"), late.get("04-16")) == (2 if first or second else 0, first, second), said


def test_a_waiver_is_of_what_was_used_until_it_was_given(calls):
    """A draft of 5 waits for what comes until the 6th. 7 more come, it is waived: 12 are. What comes then is late."""
    subscribe(metered(calls))
    make_default_profile(collection_interval="P5D")
    ledger = UsageLedger()
    use("2026-04-20", "5")
    run("2026-05-01")
    use("2026-04-25", "7")
    # What a draft still waits for is open, and not late.
    assert_books_are_clean("2026-05-02")
    draft = Invoice.objects.get(status__startswith="draft")
    with clock.frozen_at(at("2026-05-03")):
        delete_draft(invoice=draft, rebill=False, reason="Courtesy")
    line = draft.lines.get()
    assert (line.metered_quantity, money(line.total)) == (12, "12.00")
    ledger.balance(at("2026-05-03"))
    assert_books_are_clean("2026-05-03T00:30")
    use("2026-04-26", "3")
    account = ledger.balance(at("2026-05-04"))[line.item_id]
    assert (account.waived.quantity, account.late.quantity) == (12, 3)
    code, said = run_check(now="2026-05-04")
    assert (code, "late usage of 3 from 2026-04-01 00:00 to 2026-05-01 00:00 UTC: billed for 12" in said) == (2, True)


def test_usage_that_is_read_otherwise_by_now_is_not_held_against_what_was_billed(calls):
    subscribe(metered(calls))
    use("2026-04-20", "5")
    run("2026-05-01")
    Meter.objects.update(value_property="$.weight")
    assert_books_are_clean("2026-05-01T00:30")
