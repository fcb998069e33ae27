"""What late usage is worth: the period rated again with it, less what was billed net (billing rules 6)."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import Supplier
from invoicing.gathering.live_totals import show_live
from invoicing.late_usage.decide import bill_late_usage
from invoicing.models import CreditNoteLine, Invoice, InvoiceLine, LateUsageCase, TaxRate
from invoicing.profile_moves.pin_customer import pin_customer
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.models import Coupon
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import enterprise, make_customer, make_default_profile, vat_customer
from tests.support.invoices import money
from tests.support.late_usage import adjusted, calls_feature, cases, ingest, last_invoice
from tests.support.subscriptions import edit, subscribe
from tests.support.usage import billed, metered

pytestmark = pytest.mark.django_db


def tiers(mode):
    first = {"upToAmount": "10", "unitPrice": {"type": "unit", "amount": "1.00"}}
    return {"type": "tiered", "mode": mode, "tiers": [first, {"unitPrice": {"type": "unit", "amount": "0.50"}}]}


def unit(amount="1.00", **more):
    return {"type": "unit", "amount": amount, **more}


PACKAGE = {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}
FREE = {"usage": {"quantity": "10"}}


@pytest.mark.parametrize(
    ("price", "discounts", "used", "late", "first", "net"),
    [
        # Graduated: 8.00; 13 are 10.00 + 1.50.
        (tiers("graduated"), None, "8", "5", "8.00", "3.50"),
        # Volume: 8.00; 28 at 0.50 are 14.00.
        (tiers("volume"), None, "8", "20", "8.00", "6.00"),
        # Packages of 25: one holds 24, two hold 30.
        (PACKAGE, None, "20", "4", "1.00", "0.00"),
        (PACKAGE, None, "20", "10", "1.00", "1.00"),
        # Ten free: 8 cost nothing, 13 cost 3.00.
        (unit(), FREE, "8", "5", "0.00", "3.00"),
        # 10 % off: 7.20; 11.70.
        (unit(), {"percentage": {"percentage": 10}}, "8", "5", "7.20", "4.50"),
        # At most 10.00: 8.00; 13 would be 13.00.
        (unit(maximumAmount="10.00"), None, "8", "5", "8.00", "2.00"),
        # At least 20.00: 13 are still below; 23 are not.
        (unit(minimumAmount="20.00"), None, "8", "5", "20.00", "0.00"),
        (unit(minimumAmount="20.00"), None, "8", "15", "20.00", "3.00"),
    ],
)
def test_each_price_model(price, discounts, used, late, first, net):
    subscribe(metered(calls_feature(), price=price, **({"discounts": discounts} if discounts else {})))
    ingest("2026-04-10", used)
    run("2026-05-01")
    assert [row[-1] for row in billed()] == [first]
    ingest("2026-04-20", late, arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", late, net, "billed")]
    run("2026-06-01")
    assert [row[2] for row in adjusted()] == [net]
    assert_books_are_clean("2026-06-01T00:30")


def test_more_usage_that_falls_in_a_cheaper_tier_is_a_credit_that_waits():
    """By volume 8 cost 8.00, and 13 cost 6.50: 1.50 are proposed."""
    subscribe(metered(calls_feature(), price=tiers("volume")))
    ingest("2026-04-10", "8")
    run("2026-05-01")
    ingest("2026-04-20", "5", arrived="2026-05-10")
    run("2026-06-01")
    assert (cases(), adjusted()) == ([("04-01", "5", "-1.50", "open")], [])


@pytest.mark.parametrize(("found", "charged"), [("2026-04-18", ["10.00", "50.00"]), ("2026-05-02", ["60.00"])])
def test_a_cut_period_is_rated_as_a_whole(found, charged):
    """100 free units: 50 up to a change on the 16th, 60 that come late for the 10th, 50 more: 160 in all, 60 beyond
    the free ones. Found before the later window is billed, that one sees 110 before it; found after it, the late ones
    take up what it had."""
    free = {"usage": {"quantity": "100"}}
    subscription = subscribe(metered(calls_feature(), discounts=free))
    ingest("2026-04-05", "50")
    same = RateCardTerms(
        type="usage_based",
        key="calls",
        name="Calls again",
        billing_cadence="P1M",
        feature_key="calls",
        price=unit(),
        discounts=free,
    )
    edit(subscription, "2026-04-16", AddItem("phase_1", same))
    run("2026-04-16")
    if found < "2026-05-01":
        ingest("2026-04-10", "60", arrived="2026-04-17")
        run(found)
    ingest("2026-04-20", "50")
    run("2026-05-01")
    if found > "2026-05-01":
        ingest("2026-04-10", "60", arrived="2026-05-01T12:00")
        run(found)
    run("2026-06-01")
    lines = InvoiceLine.objects.filter(invoice__issued_at__isnull=False, kind__in=["usage", "late"], amount__gt=0)
    assert [money(line.amount) for line in lines.order_by("amount")] == charged
    assert_books_are_clean("2026-06-01T00:30")


@pytest.mark.parametrize(
    ("currency", "amount", "net"),
    [
        # 8 x 1.5 = 12; 11 x 1.5 = 16.5, 17 in whole yen.
        ("JPY", "1.5", "5"),
        # 8 x 0.0015 = 0.012; 11 x 0.0015 = 0.0165, 0.017.
        ("KWD", "0.0015", "0.005"),
    ],
)
def test_minor_units_of_other_currencies(currency, amount, net):
    plan = metered(calls_feature(), price=unit(amount))
    plan.currency = currency
    plan.save()
    subscribe(plan, customer=make_customer(currency=currency))
    ingest("2026-04-10", "8")
    run("2026-05-01")
    ingest("2026-04-20", "3", arrived="2026-05-10")
    run("2026-06-01")
    [line] = InvoiceLine.objects.filter(kind="late")
    assert line.amount == Decimal(net)
    assert_books_are_clean("2026-06-01T00:30")


def test_it_is_taxed_by_the_rate_of_the_period_that_it_belongs_to():
    """19 % in April and 16 % from May on: 7.00 + 1.33 beside 4.00 + 0.64."""
    subscribe(metered(calls_feature()), customer=vat_customer())
    TaxRate.objects.update(valid_to=at("2026-05-01"))
    TaxRate.objects.create(country="DE", rate=Decimal(16), name="VAT", valid_from=at("2026-05-01"))
    ingest("2026-04-10", "12")
    with clock.frozen_at(at("2026-05-01")):
        TaxRate.objects.filter(rate=19).update(valid_to=at("2026-05-02"))
        TaxRate.objects.filter(rate=16).update(valid_from=at("2026-05-02"))
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    ingest("2026-05-11", "4")
    run("2026-06-01")
    assert adjusted() == [("06-01", "7", "7.00", "8.33")]
    invoice = last_invoice()
    assert (money(invoice.taxes_total), money(invoice.total)) == ("1.97", "12.97")
    assert_books_are_clean("2026-06-01T00:30")


def test_after_a_move_the_new_supplier_bills_it():
    subscription = subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    other = Supplier.objects.create(key="eu", name="EU", country="DE", invoice_prefix="EU", credit_note_prefix="EC")
    target = enterprise(supplier=other)
    with clock.frozen_at(at("2026-05-05")):
        pin_customer(customer=subscription.customer, profile=target, reason="Moved")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-06-01")
    invoice = InvoiceLine.objects.get(kind="late").invoice
    assert (invoice.number, money(invoice.total)) == ("EU-000001", "7.00")
    assert_books_are_clean("2026-06-01T00:30")


def test_a_gathering_invoice_shows_what_waits():
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    ingest("2026-05-11", "4")
    run("2026-05-12")
    gathering = Invoice.objects.get(status="gathering")
    with clock.frozen_at(at("2026-05-12")):
        show_live([gathering])
    assert money(gathering.total) == "11.00"
    assert LateUsageCase.objects.get().line.invoice == gathering


@pytest.mark.parametrize(
    ("coupon", "first", "net"),
    [
        # Half of 8.00, and of 13.00.
        ({"percentage": Decimal(50)}, "4.00", "2.50"),
        # 5.00 off 8.00, and off 13.00: once.
        ({"percentage": None, "amount": Decimal(5), "currency": "EUR"}, "3.00", "5.00"),
    ],
)
def test_coupons_of_the_period_count(coupon, first, net):
    Coupon.objects.create(code="C", periods=1, **coupon)
    subscription = subscribe(metered(calls_feature()), bill=False)
    item = subscription.items.select_related("subscription__plan").get()
    with clock.frozen_at(at("2026-04-01")):
        record_redemption(item=item, code="C", at=at("2026-04-01"))
    ingest("2026-04-10", "8")
    run("2026-05-01")
    assert [row[-1] for row in billed()] == [first]
    ingest("2026-04-20", "5", arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", "5", net, "billed")]
    run("2026-06-01")
    assert_books_are_clean("2026-06-01T00:30")


def test_of_a_profile_that_asks_nothing_is_billed_by_itself():
    make_default_profile(late_usage="ask")
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-06-01")
    assert adjusted() == []


SAME = RateCardTerms(
    type="usage_based", key="calls", name="Calls again", billing_cadence="P1M", feature_key="calls", price=unit()
)


def cut_on_the_16th(aggregation, first, second):
    """`first` on 10 April, another revision from the 16th on, `second` on the 20th; both windows are billed."""
    subscription = subscribe(metered(calls_feature(aggregation=aggregation)))
    ingest("2026-04-10", first)
    edit(subscription, "2026-04-16", AddItem("phase_1", SAME))
    run("2026-04-16")
    ingest("2026-04-20", second)
    run("2026-05-01")


def test_what_comes_to_less_than_nothing_in_a_window_is_taken_off_those_before_it():
    """The last value counts: 10 up to the 16th, 30 by the end, 10.00 and 20.00. Late, it is 5: the period comes to
    5.00, and 25.00 come back, 20.00 of the second line and 5.00 of the first."""
    cut_on_the_16th("LATEST", "10", "30")
    assert [row[-1] for row in billed()] == ["10.00", "20.00"]
    ingest("2026-04-25", "5", arrived="2026-05-02")
    run("2026-05-03")
    assert cases() == [("04-16", "-25", "-25.00", "open")]
    with clock.frozen_at(at("2026-05-04")):
        bill_late_usage(case=LateUsageCase.objects.get(), reason="Agreed")
    back = CreditNoteLine.objects.order_by("invoice_line__period_start")
    assert [(f"{line.period_start:%m-%d}", money(line.amount)) for line in back] == [
        ("04-01", "5.00"),
        ("04-16", "20.00"),
    ]
    assert_books_are_clean("2026-05-04T00:30")
    # 8 by the end: 3.00 of the 25.00 that came back are owed after all.
    ingest("2026-04-26", "8", arrived="2026-05-05")
    run("2026-05-06")
    assert cases()[1] == ("04-16", "3", "3.00", "billed")


@pytest.mark.parametrize(
    ("aggregation", "first", "second", "late", "net"),
    [
        ("LATEST", "100", "60", "-40", "-40.00"),
        ("SUM", "50", "-20", "-20", "-20.00"),
        ("SUM", "10", "-30", "-30", "-10.00"),
    ],
)
def test_a_window_that_is_billed_for_less_than_nothing_is_to_decide(aggregation, first, second, late, net):
    """The first window was billed for more than the period comes to: nobody waits for more usage to say so."""
    cut_on_the_16th(aggregation, first, second)
    assert [row[-1] for row in billed()] == [f"{first}.00", "0.00"]
    run("2026-05-01T00:10")
    assert cases() == [("04-16", late, net, "open")]
