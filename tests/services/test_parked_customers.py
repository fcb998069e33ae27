"""Parked customers: nobody bills them, but what they subscribe to may change; the release bills all of it."""

from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from core import clock
from core.locks import lock_customers
from entitlements.models import UsageEvent
from invoicing.closing.park_customer import park_customers
from invoicing.errors import CannotBill, CustomerParked, StillParked, WrongInvoiceState
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import NumberSeries, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import QuantityChange, Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import balance, invoices
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription(db):
    """30.00 a month from 1 April, billed; parked on the 10th for a cause that is gone since."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    ParkedCustomer.objects.create(
        customer=subscription.customer, parked_at=at("2026-04-10"), cause_code="no_tax_rate", cause="No tax rate."
    )
    return subscription


def release(on):
    with clock.frozen_at(at(on)):
        release_customer(parked=ParkedCustomer.objects.get(), reason="Mended")


def test_nobody_bills_a_parked_customer_not_even_an_aligned_update(subscription):
    with clock.frozen_at(at("2026-04-16")):
        with pytest.raises(CustomerParked, match="is parked: No tax rate"):
            invoice_pending_lines(customer=subscription.customer)
        with pytest.raises(CustomerParked):
            update_item(
                subscription_id=subscription.id,
                running_number=1,
                update=ItemUpdate(product_id="base", quantity=Decimal(2), align=True),
            )
    assert not QuantityChange.objects.exists()
    assert invoices() == [("INV-000001", "30.00", "0.00")]


def test_a_change_of_plan_waits_with_its_money_for_the_release(subscription):
    """-15.00 + 45.00, as on the day of the change, billed on the day after the release."""
    result = change(subscription, flat_plan("pro", "90.00"))
    assert (result.due_now, result.next_billing_at, result.next_amount) == (0, at("2026-04-16"), Decimal("30.00"))
    assert invoices() == [("INV-000001", "30.00", "0.00")]
    run("2026-04-19")
    assert len(invoices()) == 1
    release("2026-04-20")
    run("2026-04-21")
    assert invoices() == [("INV-000001", "30.00", "0.00"), ("INV-000002", "30.00", "0.00")]
    assert_books_are_clean("2026-04-21")


def test_a_parked_customer_can_cancel(subscription):
    with clock.frozen_at(at("2026-04-16")):
        result = cancel_subscription(subscription=subscription, timing="immediate")
    assert (result.credit_note_total, balance()) == (0, "0.00")
    assert Subscription.objects.get().active_to == at("2026-04-16")
    release("2026-04-20")
    run("2026-04-20")
    assert balance() == "15.00"
    assert_books_are_clean("2026-04-20")


def test_the_way_out_that_the_cause_names_leads_out():
    """Events that came before the meter did hold no number. The fee of April was issued a little after it began; that
    does not keep the usage from being counted by another meter from the first of April on."""
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    cards = (
        flat_card(price=fee("30.00")),
        usage_card(key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": "1.00"}),
    )
    subscription = subscribe(flat_plan("metered", None, cards=cards), bill=False)
    run("2026-04-01T00:05")
    for number in (1, 2):
        UsageEvent.objects.create(
            source="test",
            external_id=str(number),
            type="usage",
            subject="acme",
            time=at("2026-04-10"),
            data={"size": "L"},
        )
    run("2026-05-01T00:05")
    cause = ParkedCustomer.objects.get().cause
    assert "2 usage events" in cause
    assert "Edit the subscription with effect from 2026-04-01 00:00 UTC, to a feature whose meter can" in cause

    counted = make_meter(key="counted", aggregation="COUNT", value_property=None)
    make_feature(key="calls_counted", name="Calls", meter=counted)
    card = RateCardTerms(
        type="usage_based",
        key="calls",
        name="Calls",
        billing_cadence="P1M",
        feature_key="calls_counted",
        price={"type": "unit", "amount": "1.00"},
    )
    with clock.frozen_at(at("2026-05-02")):
        edit_subscription(subscription=subscription, timing=at("2026-04-01"), edits=[AddItem("phase_1", card)])
    release("2026-05-02")
    run("2026-05-02")
    assert [total for _, total, _ in invoices()] == ["30.00", "32.00"]
    assert_books_are_clean("2026-05-02")


def test_who_is_parked_again_keeps_the_first_cause_and_who_was_released_gets_the_new_one(subscription):
    again = {subscription.customer_id: CannotBill("Something else.")}
    park_customers(again, run_id=None)
    assert [parked.cause for parked in ParkedCustomer.objects.all()] == ["No tax rate."]

    release("2026-04-16")
    park_customers(again, run_id=None)
    assert [(parked.cause, parked.released_at is None) for parked in ParkedCustomer.objects.order_by("parked_at")] == [
        ("No tax rate.", False),
        ("Something else.", True),
    ]


def test_a_release_is_once_only_and_bills_nothing_by_itself(subscription):
    """The look at what is due leaves nothing behind; the next run bills May."""
    release("2026-05-02")
    assert invoices() == [("INV-000001", "30.00", "0.00")]
    with pytest.raises(WrongInvoiceState, match=r"^Acme is released already\.$"):
        release("2026-05-03")
    parked = ParkedCustomer.objects.get()
    assert (parked.released_at, parked.release_reason) == (at("2026-05-02"), "Mended")
    run("2026-05-03")
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00"]


@pytest.mark.parametrize("stage", ["computed", "stored"])
def test_a_release_is_refused_where_a_close_of_now_would_fail(subscription, settings, stage):
    if stage == "computed":
        settings.AMOUNT_LIMITS = {"EUR": Decimal(10)}
    else:
        NumberSeries.objects.update(next_number=2**63 - 1)
    with pytest.raises(StillParked):
        release("2026-05-02")
    assert ParkedCustomer.objects.get().released_at is None


@pytest.mark.django_db(transaction=True)
def test_a_release_waits_for_whoever_works_on_the_customer():
    subscription = subscribe(flat_plan("basic", "30.00"))
    ParkedCustomer.objects.create(
        customer=subscription.customer, parked_at=at("2026-04-10"), cause_code="no_tax_rate", cause="No tax rate."
    )
    done = Event()

    def act():
        release("2026-05-02")
        done.set()
        connection.close()

    thread = Thread(target=act)
    with transaction.atomic():
        lock_customers([subscription.customer_id])
        thread.start()
        assert not done.wait(1)
        assert ParkedCustomer.objects.select_for_update(nowait=True).get().released_at is None
    thread.join(timeout=10)
    assert done.is_set()
