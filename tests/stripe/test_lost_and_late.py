"""Charges at the worst moments: answers lost, repeats refused, workers held up, customers gone, two at once."""

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from core import clock
from customers.models import CustomerAppData
from invoicing.models import BalanceEntry, Invoice, Payment
from invoicing.services.collect_invoice import collect_invoice
from invoicing.services.collect_remotely import start_charges
from invoicing.services.record_payment import record_payment
from tests.admin.billed import START, make_many
from tests.concurrency.crowd import at_once
from tests.make import at, make_default_profile
from tests.stripe.desk import check_books, collect, issued, reconcile, state

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

    monkeypatch.setattr("invoicing.services.collect_remotely.start_charges", slept)
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


def test_what_is_booked_is_what_came_in(app, fake):
    """The amount of a charge that waits can be changed at Stripe before the customer confirms it."""
    invoice = issued(app, fake, "action")
    collect()
    fake.intents["pi_1"] |= {"amount": 6000, "amount_received": 6000, "status": "succeeded"}
    reconcile()
    assert state(invoice) == ("paid", "60.00", "0.00")
    assert [str(entry.amount) for entry in BalanceEntry.objects.all()] == ["10.00"]
    check_books()


def test_a_part_that_came_in_leaves_the_rest_due(app, fake):
    invoice = issued(app, fake, "processing")
    collect()
    fake.intents["pi_1"] |= {"amount_received": 2000, "status": "succeeded"}
    reconcile()
    invoice.refresh_from_db()
    assert (str(invoice.paid), str(invoice.due)) == ("20.00", "30.00")
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
    with clock.frozen_at(START):
        record_payment(invoice=invoices[2], amount=Decimal(1), received_at=START, reference="x", transaction_id=taken)
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


def _somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


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
