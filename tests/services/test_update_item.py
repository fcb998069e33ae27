"""Updates of subscription items: alignment, extension, preview, backdating, refusals (billing rules 4)."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from core.outbox.models import OutboxMessage
from invoicing.closing.close_customers import close_customers
from invoicing.drafts.delete_draft import delete_draft
from invoicing.errors import NegativeAmount
from invoicing.models import BilledWindow, Invoice, InvoiceDetailedLine, InvoiceLine, NumberSeries
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Coupon, CouponRedemption, QuantityChange, QuantityReport
from tests.support.books import run_check
from tests.support.catalog import flat_card, make_excess_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import close
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import money, totals

pytestmark = pytest.mark.django_db

SEAT_10 = {"type": "flat", "amount": "10.00", "paymentTerm": "in_advance"}


def seats_card(**overrides):
    return flat_card(key="seats", name="Seats", price=SEAT_10) | overrides


def start(*cards, on="2026-04-01", seats=5):
    customer = make_customer()
    with clock.frozen_at(at(on)):
        subscription = record_subscription(
            customer=customer,
            plan=make_plan(cards=cards or (seats_card(),)),
            active_from=at(on),
            quantities={"seats": Decimal(seats)},
        )
        close_customers([customer.id], as_of=at(on))
    return subscription


def update(subscription, on, *, number=1, key="seats", quantity=8, **options):
    with clock.frozen_at(at(on)):
        return update_item(
            subscription_id=subscription.id,
            running_number=number,
            update=ItemUpdate(product_id=key, quantity=Decimal(quantity), **options),
        )


def everything_stored():
    return [
        list(model.objects.order_by("pk").values())
        for model in (
            Invoice,
            InvoiceLine,
            InvoiceDetailedLine,
            BilledWindow,
            NumberSeries,
            QuantityChange,
            QuantityReport,
            OutboxMessage,
        )
    ]


def test_an_aligned_upgrade_bills_the_prorated_difference_at_once():
    subscription = start()
    result = update(subscription, "2026-04-16", align=True)
    assert (result.due_now, result.next_amount, result.next_billing_at) == (
        Decimal("15.00"),
        Decimal("80.00"),
        at("2026-05-01"),
    )
    assert totals() == ["50.00", "15.00"]
    line = InvoiceLine.objects.get(invoice_id=result.invoice_id)
    assert line.amends.invoice.number == "INV-000001"
    assert (line.period_start, line.period_end) == (at("2026-04-16"), at("2026-05-01"))
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "15.00", "80.00"]


def test_without_alignment_the_change_counts_from_the_next_billing_date():
    subscription = start()
    result = update(subscription, "2026-04-16")
    assert (result.due_now, result.next_amount, result.next_billing_at) == (
        Decimal("0.00"),
        Decimal("80.00"),
        at("2026-05-01"),
    )
    close(subscription.customer, "2026-04-16T12:00")
    assert totals() == ["50.00"]
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "80.00"]


@pytest.mark.parametrize(("align", "due_now"), [(True, "15.00"), (False, "0.00")])
def test_a_preview_shows_the_same_figures_and_writes_nothing(align, due_now):
    subscription = start()
    before = everything_stored()
    result = update(subscription, "2026-04-16", align=align, preview_only=True)
    assert (str(result.due_now), str(result.next_amount), result.next_billing_at) == (
        due_now,
        "80.00",
        at("2026-05-01"),
    )
    assert result.invoice_id is None
    assert everything_stored() == before
    subscription.refresh_from_db()
    assert subscription.next_billing_at == at("2026-05-01")


def test_an_aligned_reduction_is_refused_and_changes_nothing():
    subscription = start()
    before = everything_stored()
    with pytest.raises(NegativeAmount, match="Nothing was changed"):
        update(subscription, "2026-04-16", quantity=3, align=True)
    assert everything_stored() == before


def test_a_reduction_without_alignment_counts_from_the_next_billing_date():
    subscription = start()
    result = update(subscription, "2026-04-16", quantity=3)
    assert (str(result.due_now), str(result.next_amount)) == ("0.00", "30.00")


def test_extending_moves_the_end_of_every_items_period_to_a_full_period_from_now():
    # Seats: 3 more for 15 of 30 days, 15.00; then 8 for 15 more days, 40.00. The fee: 15 more days of 20.00, 10.00.
    fee = flat_card(key="fee", name="Fee", price={"type": "flat", "amount": "20.00", "paymentTerm": "in_advance"})
    subscription = start(seats_card(), fee)
    assert totals() == ["70.00"]
    result = update(subscription, "2026-04-16", align=True, extend=True)
    assert (str(result.due_now), str(result.next_amount), result.next_billing_at) == (
        "65.00",
        "100.00",
        at("2026-05-16"),
    )
    close(subscription.customer, "2026-05-01")
    assert totals() == ["70.00", "65.00"]
    close(subscription.customer, "2026-05-16")
    assert totals() == ["70.00", "65.00", "100.00"]


def test_a_backdated_change_on_an_issued_window_adds_exactly_the_difference():
    subscription = start()
    update(subscription, "2026-04-16", effective_at=at("2026-04-01"))
    assert totals() == ["50.00"]
    close(subscription.customer, "2026-04-16T00:05")
    assert totals() == ["50.00", "30.00"]
    close(subscription.customer, "2026-04-16T00:10")
    assert totals() == ["50.00", "30.00"]
    close(subscription.customer, "2026-05-01")
    assert totals() == ["50.00", "30.00", "80.00"]


def test_a_backdated_change_on_an_unissued_window_changes_exactly_that_line():
    arrears = seats_card(price={**SEAT_10, "paymentTerm": "in_arrears"})
    subscription = start(arrears, flat_card())
    lines = {line.id: line for line in InvoiceLine.objects.all()}
    seats = next(line for line in lines.values() if line.name == "Seats")
    update(subscription, "2026-04-16", effective_at=at("2026-04-01"))
    after = {line.id: line for line in InvoiceLine.objects.all()}
    assert after.keys() == lines.keys()
    changed = [
        key for key in after if after[key].components != lines[key].components or after[key].total != lines[key].total
    ]
    assert changed == [seats.id]
    close(subscription.customer, "2026-05-01")
    assert str(InvoiceLine.objects.get(pk=seats.id).total) == "80.00"
    assert totals() == ["50.00", "130.00"]


def test_a_backdated_reduction_on_an_issued_window_is_refused():
    subscription = start()
    before = everything_stored()
    with pytest.raises(NegativeAmount):
        update(subscription, "2026-04-16", quantity=4, effective_at=at("2026-04-01"))
    assert everything_stored() == before


def excess(on="2026-03-17"):
    customer = make_customer()
    with clock.frozen_at(at(on)):
        subscription = record_subscription(customer=customer, plan=make_excess_plan(), active_from=at(on))
        close_customers([customer.id], as_of=at(on))
    return subscription


def test_a_report_is_billed_with_the_month_ahead_and_the_preview_says_so():
    subscription = excess()
    shown = update(subscription, "2026-04-16", number=2, key="storage", quantity=200, preview_only=True)
    done = update(subscription, "2026-04-16", number=2, key="storage", quantity=200)
    assert shown == done
    assert (str(done.due_now), str(done.next_amount), done.next_billing_at) == ("0.00", "58.00", at("2026-04-17"))
    close(subscription.customer, "2026-04-17")
    assert totals() == ["50.00", "58.00"]


def test_an_unreported_period_bills_nothing_and_says_so():
    subscription = excess()
    [outcome] = close(subscription.customer, "2026-04-17")
    assert "nothing was reported for 17 March 2026 to 17 April 2026" in outcome.note
    assert totals() == ["50.00", "50.00"]
    assert BilledWindow.objects.get(kind="unreported").invoice is None


def test_a_report_after_the_snapshot_is_late_usage_and_bills_nothing():
    subscription = excess()
    close(subscription.customer, "2026-04-17")
    before = totals()
    result = update(
        subscription, "2026-04-18", number=2, key="storage", quantity=200, usage_period_start=at("2026-03-17")
    )
    assert result.late
    close(subscription.customer, "2026-04-18")
    assert totals() == before
    assert QuantityReport.objects.get().late
    code, said = run_check(now="2026-04-18")
    assert (code, "late usage of 200 from 2026-03-17 00:00 to 2026-04-17 00:00 UTC: billed for 0, 200 was" in said) == (
        2,
        True,
    ), said


def test_a_late_report_is_told_until_what_was_reported_is_what_was_billed():
    subscription = excess()
    update(subscription, "2026-04-02", number=2, key="storage", quantity=50)
    close(subscription.customer, "2026-04-17")
    late = {"number": 2, "key": "storage", "usage_period_start": at("2026-03-17")}
    update(subscription, "2026-04-18", quantity=200, **late)
    update(subscription, "2026-04-19", quantity=30, **late)
    code, said = run_check(now="2026-04-19")
    assert (code, said.count("late usage of"), "late usage of -20 from 2026-03-17" in said) == (2, 1, True), said
    update(subscription, "2026-04-20", quantity=50, **late)
    assert run_check(now="2026-04-20")[0] == 0


def test_a_report_that_was_late_for_a_draft_counts_where_its_time_is_billed_again():
    """Package of 25 at 1.00. The draft has 25 GB; 200 come after its snapshot. It is deleted: 50.00 + 8.00 follow."""
    make_default_profile(auto_advance=False)
    subscription = excess()
    update(subscription, "2026-04-02", number=2, key="storage", quantity=25)
    close(subscription.customer, "2026-04-17")
    draft = Invoice.objects.get(status__startswith="draft", lines__kind="usage")
    assert money(draft.total) == "51.00"
    assert update(
        subscription, "2026-04-18", number=2, key="storage", quantity=200, usage_period_start=at("2026-03-17")
    ).late
    with clock.frozen_at(at("2026-04-19")):
        delete_draft(invoice=draft, rebill=True, reason="the usage was wrong")
    close(subscription.customer, "2026-04-19")
    again = Invoice.objects.get(status__startswith="draft", lines__kind="usage")
    assert money(again.total) == "58.00"


def test_the_last_report_before_the_snapshot_wins():
    subscription = excess()
    update(subscription, "2026-04-02", number=2, key="storage", quantity=500)
    update(subscription, "2026-04-16", number=2, key="storage", quantity=26)
    close(subscription.customer, "2026-04-17")
    assert totals() == ["50.00", "52.00"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"key": "other"}, "productId"),
        ({"extend": True}, "alignment.extendInterval"),
        ({"usage_period_start": at("2026-04-01")}, "usagePeriodStart"),
        ({"align": True, "effective_at": at("2026-04-01")}, "effectiveAt"),
        ({"effective_at": at("2026-03-01")}, "effectiveAt"),
    ],
)
def test_an_update_that_makes_no_sense_names_its_field_and_changes_nothing(options, field):
    subscription = start()
    before = everything_stored()
    with pytest.raises(InvalidInput) as caught:
        update(subscription, "2026-04-16", **options)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert everything_stored() == before


def test_a_change_sends_a_notice_unless_it_is_suppressed():
    subscription = start()
    update(subscription, "2026-04-16", send_notification=False)
    assert not OutboxMessage.objects.filter(payload__subject__startswith="Your subscription").exists()
    update(subscription, "2026-04-16", quantity=9)
    [notice] = OutboxMessage.objects.filter(payload__subject__startswith="Your subscription")
    assert notice.payload["to"] == "billing@acme.example"


def test_a_later_reduction_within_what_is_billed_is_refused():
    subscription = start()
    before = everything_stored()
    with pytest.raises(NegativeAmount, match="Nothing was changed"):
        update(subscription, "2026-04-16", quantity=3, effective_at=at("2026-04-20"))
    assert everything_stored() == before


def redeemed(subscription, **terms):
    """Redeem a coupon without end on the first item, from the subscription's start on."""
    coupon = Coupon.objects.create(code="SPRING", periods=None, **terms)
    CouponRedemption.objects.create(
        coupon=coupon, item=subscription.items.get(running_number=1), effective_from=subscription.active_from
    )


def start_with_coupon(**terms):
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(
            customer=customer,
            plan=make_plan(cards=(seats_card(),)),
            active_from=at("2026-04-01"),
            quantities={"seats": Decimal(5)},
        )
        redeemed(subscription, **terms)
        close_customers([customer.id], as_of=at("2026-04-01"))
    return subscription


def test_a_backdated_change_adds_exactly_the_difference_after_a_percentage_coupon():
    subscription = start_with_coupon(percentage=Decimal(10))
    update(subscription, "2026-04-16", effective_at=at("2026-04-01"))
    close(subscription.customer, "2026-04-16T00:05")
    # 72.00 instead of 45.00.
    assert totals() == ["45.00", "27.00"]


@pytest.mark.parametrize(
    ("amount", "first", "difference"),
    [("5.00", "45.00", "15.00"), ("60.00", "0.00", "5.00"), ("200.00", "0.00", "0.00")],
)
def test_a_fixed_coupon_comes_off_a_period_once_however_often_the_quantity_changes(amount, first, difference):
    subscription = start_with_coupon(amount=Decimal(amount), currency="EUR")
    update(subscription, "2026-04-16", align=True)
    assert totals() == [first, difference]


@pytest.mark.parametrize(
    ("billed_before", "paid"), [(True, ["50.00", "25.00", "25.00", "50.00"]), (False, ["25.00", "25.00", "50.00"])]
)
def test_a_coupon_redeemed_at_the_second_a_period_begins_loses_none_of_its_two_periods(billed_before, paid):
    Coupon.objects.create(code="HALF", percentage=Decimal(50), periods=2)
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(
            customer=customer,
            plan=make_plan(cards=(seats_card(),)),
            active_from=at("2026-04-01"),
            quantities={"seats": Decimal(5)},
        )
        if billed_before:
            close_customers([customer.id], as_of=at("2026-04-01"))
    update(subscription, "2026-04-01", quantity=Decimal(5), coupon_code="HALF")
    for day in ("2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01")[: len(paid)]:
        close(customer, day)
    assert totals() == paid


def test_a_report_before_the_quantity_snapshot_of_a_period_counts_though_the_period_is_over():
    make_default_profile(collection_interval="PT6H")
    subscription = excess()
    close(subscription.customer, "2026-04-17")
    result = update(
        subscription, "2026-04-17T03:00", number=2, key="storage", quantity=200, usage_period_start=at("2026-03-17")
    )
    assert not result.late
    with clock.frozen_at(at("2026-04-17T06:00")):
        run_due(as_of=at("2026-04-17T06:00"))
    assert totals() == ["50.00", "58.00"]


@pytest.mark.parametrize("with_fee", [True, False])
def test_a_period_for_which_nothing_was_reported_until_its_snapshot_bills_nothing(with_fee):
    make_default_profile(collection_interval="PT6H")
    feature = make_feature()
    cards = (flat_card(), usage_card(feature=feature)) if with_fee else (usage_card(feature=feature),)
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        record_subscription(customer=customer, plan=make_plan(cards=cards), active_from=at("2026-03-17"))
        close_customers([customer.id], as_of=at("2026-03-17"))
    for moment in ("2026-04-17", "2026-04-17T06:00"):
        with clock.frozen_at(at(moment)):
            run_due(as_of=at(moment))
    assert totals() == (["50.00", "50.00"] if with_fee else [])
    assert BilledWindow.objects.get(kind="unreported").invoice is None
    code, said = run_check(now="2026-04-17T06:05")
    assert code == 0, said


def test_seats_that_began_with_none_are_billed_once_and_without_empty_invoices():
    subscription = start(seats=0)
    update(subscription, "2026-04-10", quantity=5, effective_at=at("2026-04-01"))
    close(subscription.customer, "2026-04-10")
    assert totals() == ["0.00", "50.00"]
    update(subscription, "2026-04-16", align=True)
    assert totals() == ["0.00", "50.00", "15.00"]
    assert run_check(now="2026-04-16")[0] == 0
