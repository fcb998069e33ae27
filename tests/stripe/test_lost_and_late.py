"""Charges at the worst moments: answers lost, repeats refused, workers held up, customers gone, two at once."""

import threading
import time
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from core import clock
from core.errors import BillingError
from core.locks import lock_customers
from customers.models import CustomerAppData
from invoicing.choices import PaymentStatus
from invoicing.errors import WrongInvoiceState
from invoicing.gateways import ChargeOutcome
from invoicing.models import BalanceEntry, Invoice, Payment
from invoicing.payments.book_outcome import book_outcome
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.collect_remotely import start_charges
from invoicing.payments.connect_stripe import install_stripe
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.payments.reconcile_payments import reconcile_payments
from invoicing.payments.record_payment import record_payment
from invoicing.payments.refund import refund_invoice
from invoicing.payments.write_off import mark_uncollectible, write_off
from tests.support.charges import KEY, check_books, collect, issued, reconcile, state
from tests.support.clock import at
from tests.support.closing import START, make_many
from tests.support.crowd import at_once
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("behaviour", ["drop_429", "drop_401"])
def test_a_repeat_that_is_refused_says_nothing_of_the_first_try_whose_answer_was_lost(app, fake, behaviour):
    invoice = issued(app, fake, behaviour)
    collect()
    assert Payment.objects.get().status == "unknown"
    app.refresh_from_db()
    assert app.status == "ready"
    collect(START + timedelta(minutes=5))
    assert fake.charged("cus_1") == [5000]
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]
    check_books()


def test_a_worker_that_was_held_up_sends_nothing_any_more(app, fake, monkeypatch):
    invoice = issued(app, fake)
    started = clock.real_now() - timedelta(minutes=6)
    pending = start_charges

    def slept(*, as_of):
        with monkeypatch.context() as then:
            then.setattr(clock, "real_now", lambda: started)
            return pending(as_of=as_of)

    monkeypatch.setattr("invoicing.payments.collect_remotely.start_charges", slept)
    collect()
    assert fake.intents == {}
    assert Payment.objects.values_list("status", "failure_code").get() == ("failed", "not_sent")
    monkeypatch.undo()
    fake.behaviour["cus_1"] = ""
    assert state(invoice) == ("issued", "0", "50.00")


def test_while_stripe_takes_nothing_the_tries_come_less_and_less_often(app, fake):
    invoice = issued(app, fake)
    fake.too_many = 10**6
    moment, waits = START, []
    for _ in range(11):
        collect(moment)
        invoice.refresh_from_db()
        waits.append((invoice.next_collection_at - moment) // timedelta(minutes=1))
        moment = invoice.next_collection_at
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert state(invoice)[0] == "issued"
    fake.too_many = 0
    collect(moment)
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert Payment.objects.count() == 12
    check_books()


def test_after_a_decline_the_waits_for_stripe_begin_anew(app, fake):
    invoice = issued(app, fake, "decline")
    collect()
    fake.too_many = 10**6
    collect(at("2026-03-18"))
    invoice.refresh_from_db()
    assert invoice.next_collection_at == at("2026-03-18T00:01")


def test_the_charge_of_a_customer_who_was_deleted_at_stripe_meanwhile_is_found(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    del fake.customers["cus_1"]
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_a_charge_that_stripe_began_and_left_is_made_anew_once_that_is_sure(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    fake.intents["pi_1"]["status"] = "requires_confirmation"
    reconcile()
    assert Payment.objects.get().status == "unknown"  # Stripe may still be at it
    reconcile(later=timedelta(minutes=16))
    assert Payment.objects.values_list("status", "failure_code").get() == ("failed", "not_sent")
    fake.behaviour["cus_1"] = ""
    collect(START + timedelta(minutes=1))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]
    check_books()


def test_what_is_booked_is_what_came_in(app, fake):
    """The amount of a charge that waits can be changed at Stripe before the customer confirms it."""
    invoice = issued(app, fake, "action")
    collect()
    fake.intents["pi_1"] |= {"amount": 6000, "amount_received": 6000, "status": "succeeded"}
    reconcile()
    assert state(invoice) == ("paid", "60.00", "0.00")
    assert [str(entry.amount) for entry in BalanceEntry.objects.all()] == ["10.00"]
    check_books()


def test_of_a_part_that_came_in_the_rest_is_charged(app, fake):
    invoice = issued(app, fake, "processing")
    collect()
    fake.intents["pi_1"] |= {"amount_received": 2000, "status": "succeeded"}
    reconcile()
    assert state(invoice) == ("issued", "20.00", "30.00")
    check_books()
    fake.behaviour["cus_1"] = ""
    collect()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.intents["pi_2"]["amount"] == 3000
    check_books()


def test_one_charge_that_cant_be_booked_stops_no_other(app, fake):
    """Stripe's id of the first was given to another payment by mistake."""
    make_default_profile(app=app)
    invoices = sorted(make_many(3), key=lambda one: one.pk)
    for number, invoice in enumerate(invoices):
        fake.add_customer(f"cus_{number}", behaviour="drop")
        CustomerAppData.objects.create(customer=invoice.customer, app=app, external_id=f"cus_{number}")
    collect()
    [taken] = [intent["id"] for intent in fake.intents.values() if intent["customer"] == "cus_0"]
    Payment.objects.create(
        invoice=invoices[2], app=app, amount=1, currency="EUR", status="failed", attempt=9, external_id=taken
    )
    reconcile()
    assert [state(invoice)[0] for invoice in invoices] == ["payment_processing.pending", "paid", "paid"]
    assert [len(fake.charged(f"cus_{number}")) for number in range(3)] == [1, 1, 1]
    check_books()


def test_an_answer_that_cant_be_read_stops_no_other(app, fake):
    make_default_profile(app=app)
    invoices = sorted(make_many(2), key=lambda one: one.pk)
    for number, invoice in enumerate(invoices):
        fake.add_customer(f"cus_{number}", behaviour="processing" if number == 0 else "drop")
        CustomerAppData.objects.create(customer=invoice.customer, app=app, external_id=f"cus_{number}")
    collect()
    [strange] = [intent for intent in fake.intents.values() if intent["customer"] == "cus_0"]
    del strange["status"]
    reconcile()
    assert [state(invoice)[0] for invoice in invoices] == ["payment_processing.pending", "paid"]
    strange["status"] = "succeeded"
    reconcile()
    assert state(invoices[0]) == ("paid", "50.00", "0.00")


def test_a_webhook_and_staff_who_want_another_try_never_lock_each_other_out(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    fake.intents["pi_1"]["status"] = "succeeded"
    body = fake.event("payment_intent.succeeded", fake.intents["pi_1"])
    held = threading.Event()

    def staff():
        """As `collect_invoice` locks: the invoice, then its payments, with the webhook coming in between."""
        with transaction.atomic():
            Invoice.objects.select_for_update().get(pk=invoice.pk)
            held.set()
            deadline = time.monotonic() + 20
            while not _somebody_waits() and time.monotonic() < deadline:
                time.sleep(0.02)
            return collect_invoice(invoice=invoice)

    def webhook():
        held.wait(timeout=30)
        return hear(body).status_code

    _, status = at_once(staff, webhook)
    assert status == 200
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def _somebody_waits(event=None):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND (%s::text IS NULL OR wait_event = %s)",
            [event, event],
        )
        return cursor.fetchone()[0] > 0


def test_older_news_than_what_is_known_changes_nothing(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    declined = fake.intents["pi_1"] | {"status": "requires_payment_method"}
    hear(fake.event("payment_intent.payment_failed", declined, created=int(time.time()) - 60))
    assert state(invoice)[0] == "payment_processing.action_required"
    hear(fake.event("payment_intent.payment_failed", declined, created=int(time.time()) + 60))
    assert state(invoice)[0] == "payment_processing.failed"


def test_a_charge_that_staff_ended_starts_no_dunning_plan(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    fake.behaviour["cus_1"] = "decline"
    with clock.frozen_at(at("2026-03-20")):
        collect_invoice(invoice=invoice)
    reconcile(at("2026-03-20"))
    collect(at("2026-03-20"))
    assert state(invoice)[0] == "payment_processing.failed"
    assert invoice.next_collection_at == at("2026-03-21")  # a day after the first decline, not after the one ended


def test_an_overdue_invoice_stays_overdue_whatever_becomes_of_its_charges(app, fake):
    make_default_profile(app=app, due_after="P1D", dunning_days=[3, 5])
    invoice = issued(app, fake, "decline")
    collect()
    assert mark_overdue(as_of=at("2026-03-18")) == 1
    collect(at("2026-03-20"))
    assert state(invoice)[0] == "overdue"
    fake.behaviour["cus_1"] = "action"
    collect(at("2026-03-22"))
    assert state(invoice)[0] == "overdue"


@pytest.mark.parametrize("act", ["book", "record", "give up", "refund"])
def test_whoever_moves_money_waits_for_who_works_on_the_customer(app, fake, act):
    """A close holds the customer's lock while it uses their balance."""
    invoice = issued(app, fake, "processing")
    collect()
    acts = {
        "book": lambda: book_outcome(
            payment_id=Payment.objects.get().pk, outcome=ChargeOutcome(PaymentStatus.SUCCEEDED, "pi_1"), as_of=START
        ),
        "record": lambda: record_payment(invoice=invoice, amount=Decimal(1), received_at=START, reference="x"),
        "give up": lambda: mark_uncollectible(invoice=invoice, reason="Gone"),
        "refund": lambda: refund_invoice(invoice=invoice, amount=Decimal(1), reason="x"),
    }
    held, waited = threading.Event(), []

    def close():
        with transaction.atomic():
            lock_customers([invoice.customer_id])
            held.set()
            deadline = time.monotonic() + 10
            while not (_somebody_waits("advisory") or time.monotonic() > deadline):
                time.sleep(0.02)
            waited.append(_somebody_waits("advisory"))

    def other():
        held.wait(timeout=30)
        with suppress(BillingError):
            acts[act]()

    at_once(close, other)
    assert waited == [True]


def test_a_failure_is_the_end_of_its_attempt_whatever_is_heard_but_money(app, fake, hear):
    invoice = issued(app, fake, "decline")
    collect()
    later = int(time.time()) + 10
    waits = fake.intents["pi_1"] | {"status": "requires_action"}
    hear(fake.event("payment_intent.requires_action", waits, created=later))
    assert state(invoice) == ("payment_processing.failed", "0", "50.00")
    assert Payment.objects.get().status == "failed"
    hear(fake.event("payment_intent.succeeded", waits | {"status": "succeeded"}, created=later - 5))
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_a_charge_in_another_currency_is_none_of_ours(app, fake, hear):
    invoice = issued(app, fake, "drop")
    collect()
    strange = fake.intents["pi_1"] | {"currency": "jpy"}
    assert hear(fake.event("payment_intent.succeeded", strange)).json()["message"] == "Not a charge of ours."
    assert state(invoice)[0] == "payment_processing.pending"
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")


def test_nobody_gives_up_what_may_be_paid_already(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    for act in (write_off, mark_uncollectible):
        with pytest.raises(WrongInvoiceState, match="wait for its outcome"):
            act(invoice=invoice, reason="Gone")
    assert state(invoice) == ("payment_processing.pending", "0", "50.00")


def test_while_one_asks_about_a_charge_nobody_else_does(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    Payment.objects.update(next_check_at=clock.real_now())
    asking = threading.Event()

    def first():
        asking.set()
        return reconcile_payments(as_of=START)

    def second():
        with fake.lock:  # Stripe is slow to answer
            asking.wait(timeout=30)
            deadline = time.monotonic() + 20
            while Payment.objects.get().checks < 1 and time.monotonic() < deadline:
                time.sleep(0.02)
            return reconcile_payments(as_of=START)

    assert at_once(first, second) == [1, 0]
    assert state(invoice) == ("paid", "50.00", "0.00")


def test_no_charge_starts_while_another_is_under_way_whatever_the_plan_says(app, fake):
    invoice = issued(app, fake, "processing")
    collect()
    Invoice.objects.filter(pk=invoice.pk).update(next_collection_at=START)
    collect()
    assert (len(fake.intents), Payment.objects.count()) == (1, 1)


def test_of_two_installations_of_one_account_at_once_one_is_refused(fake):
    def install():
        try:
            return install_stripe(name="Stripe EU", api_key=KEY).name
        except BillingError as error:
            return type(error).__name__

    assert sorted(at_once(install, install, install)) == ["OtherStripeAccount", "OtherStripeAccount", "Stripe EU"]


def test_where_an_answer_could_not_be_read_is_in_the_log(app, fake, caplog):
    issued(app, fake, "drop")
    collect()
    fake.intents["pi_1"]["amount_received"] = "50.00"
    reconcile()
    [said] = [record for record in caplog.records if record.message == "an answer of Stripe could not be read"]
    assert said.exc_info[2].tb_next is not None


@pytest.mark.parametrize(
    "strange",
    [
        {"currency": "jpy"},
        {"status": None},
        {"status": ["succeeded"]},
        {"status": "of_a_kind_to_come"},
        {"amount_received": "50.00"},
        {"amount_received": -5000},
        {"amount_received": 50.5},
        {"last_payment_error": "text", "status": "requires_payment_method"},
        {"id": None, "status": "succeeded", "currency": None},
    ],
)
def test_an_answer_of_another_shape_books_nothing_and_is_asked_for_again(app, fake, strange):
    invoice = issued(app, fake, "drop")
    collect()
    asked_about = dict(fake.intents["pi_1"])
    fake.intents["pi_1"] |= strange
    reconcile()
    assert state(invoice) == ("payment_processing.pending", "0", "50.00")
    assert Payment.objects.get().next_check_at is not None
    fake.intents["pi_1"] = asked_about
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()
