"""Charges at Stripe, against a server that honours idempotency keys: paid, declined, to confirm, unknown, crashed."""

from datetime import timedelta

import pytest
from django.core import mail

from core import clock
from core.crypto import decrypt
from core.errors import Conflict, InvalidInput, PreconditionFailed
from core.outbox.services.deliver import deliver_due
from customers.models import BillingApp
from invoicing.errors import WrongInvoiceState
from invoicing.models import BalanceEntry, Invoice, Payment, StripeAccount
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.collect_remotely import start_charges
from invoicing.payments.connect_stripe import install_stripe, update_stripe_keys
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.payments.record_payment import record_payment
from invoicing.payments.set_stripe_customer import set_stripe_customer
from invoicing.runs.run_due import run_due
from tests.support.charges import KEY, check_books, collect, issued, reconcile, state
from tests.support.clock import at
from tests.support.closing import START
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_charge_that_succeeds_pays_the_invoice(app, fake):
    invoice = issued(app, fake)
    assert invoice.status == "issued"
    collect()
    assert state(invoice) == ("paid", "50.00", "0.00")
    payment = Payment.objects.get()
    assert (payment.status, payment.external_id, payment.attempt) == ("succeeded", "pi_1", 1)
    assert fake.charged("cus_1") == [5000]
    collect()
    assert fake.charged("cus_1") == [5000]
    check_books()


def test_a_decline_is_a_state_and_the_dunning_plan_goes_on(app, fake):
    invoice = issued(app, fake, "decline")
    for day, again in ((17, 18), (18, 20), (20, 22), (22, 24), (24, None)):
        collect(at(f"2026-03-{day}"))
        assert state(invoice) == ("payment_processing.failed", "0", "50.00")
        assert invoice.next_collection_at == (at(f"2026-03-{again}") if again else None)
    payments = Payment.objects.order_by("attempt")
    assert [(p.attempt, p.status, p.failure_code) for p in payments] == [
        (n, "failed", "card_declined") for n in range(1, 6)
    ]
    with clock.frozen_at(at("2026-03-24")):
        deliver_due()
    failed = [message for message in mail.outbox if message.subject == "Payment of invoice INV-000001 failed"]
    assert len(failed) == 5
    check_books()


def test_a_charge_to_confirm_waits_for_the_customer_and_is_found_paid(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    assert state(invoice) == ("payment_processing.action_required", "0", "50.00")
    collect(at("2026-03-18"))
    assert Payment.objects.count() == 1  # reminded, not charged anew
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_another_try_ends_the_charge_that_waits_first(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    fake.behaviour["cus_1"] = ""
    with clock.frozen_at(START):
        collect_invoice(invoice=invoice)
    reconcile()
    collect()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert [intent["status"] for intent in fake.intents.values()] == ["canceled", "succeeded"]


def test_another_try_of_what_was_confirmed_meanwhile_charges_nothing_more(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    with clock.frozen_at(START):
        collect_invoice(invoice=invoice)
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    collect()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]


def test_a_charge_that_waits_is_ended_once_the_invoice_is_paid_otherwise(app, fake):
    invoice = issued(app, fake, "action")
    collect()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=invoice.due, received_at=START, reference="by bank")
    reconcile()
    assert fake.intents["pi_1"]["status"] == "canceled"
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_a_charge_that_nobody_confirms_ends_with_the_dunning_plan(app, fake):
    make_default_profile(app=app, due_after="P1D", dunning_days=[2], uncollectible_after_dunning=True)
    invoice = issued(app, fake, "action")
    for day in (17, 18, 19):
        with clock.frozen_at(at(f"2026-03-{day}")):
            run_due(as_of=at(f"2026-03-{day}"))
    assert state(invoice) == ("uncollectible", "0", "50.00")
    reconcile()
    assert fake.intents["pi_1"]["status"] == "canceled"
    assert state(invoice) == ("uncollectible", "0", "50.00")
    check_books()


def test_an_unknown_outcome_is_asked_about_and_charged_once(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    assert state(invoice) == ("payment_processing.pending", "0", "50.00")
    assert Payment.objects.get().status == "unknown"
    with clock.frozen_at(START), pytest.raises(WrongInvoiceState, match="under way"):
        collect_invoice(invoice=invoice)
    fake.behaviour["cus_1"] = ""
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]
    check_books()


def test_a_charge_that_never_arrived_is_made_again_once_that_is_sure(app, fake):
    invoice = issued(app, fake, "away")
    collect()
    fake.behaviour["cus_1"] = ""
    reconcile()
    assert Payment.objects.get().status == "unknown"  # it may still be on its way
    reconcile(later=timedelta(minutes=16))
    assert Payment.objects.get().failure_code == "not_sent"
    collect(START + timedelta(minutes=1))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]
    with clock.frozen_at(START):
        deliver_due()
    assert not [message for message in mail.outbox if "failed" in message.subject]


def test_a_charge_is_looked_for_where_it_was_sent_though_the_customer_is_another_one_there_since(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    fake.add_customer("cus_2")
    set_stripe_customer(customer=invoice.customer, app=app, stripe_customer_id="cus_2", payment_method=None)
    reconcile(later=timedelta(minutes=16))
    collect(at("2026-03-18"))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert (fake.charged("cus_1"), fake.charged("cus_2")) == ([5000], [])
    check_books()


def test_a_worker_that_dies_before_or_after_the_call_loses_and_doubles_nothing(app, fake):
    invoice = issued(app, fake)
    with clock.frozen_at(START):
        (charge,) = start_charges(as_of=START)  # and then it dies
    collect()
    assert fake.charged("cus_1") == []
    assert state(invoice)[0] == "payment_processing.pending"
    assert mark_overdue(as_of=at("2026-04-30")) == 0  # its outcome decides first
    fake.answer(
        "POST",
        "/v1/payment_intents",
        {
            "customer": "cus_1",
            "amount": "5000",
            "currency": "eur",
            **{f"metadata[{k}]": v for k, v in charge.request.metadata.items()},
        },
        charge.request.idempotency_key,
    )
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [5000]
    check_books()


def test_money_that_comes_twice_goes_to_the_balance(app, fake):
    invoice = issued(app, fake, "processing")
    collect()
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=invoice.due, received_at=START, reference="by bank")
    fake.intents["pi_1"]["status"] = "succeeded"
    reconcile()
    assert state(invoice) == ("paid", "100.00", "0.00")
    assert [(e.kind, str(e.amount)) for e in BalanceEntry.objects.all()] == [("overpayment", "50.00")]
    check_books()


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda fake: fake.customers.clear(), "no_customer_id"),
        (lambda fake: fake.add_customer("cus_1", method=None), "no_payment_method"),
    ],
)
def test_without_a_customer_or_a_payment_method_the_charge_fails_with_the_cause(app, fake, prepare, code):
    invoice = issued(app, fake)
    prepare(fake)
    collect()
    assert state(invoice)[0] == "payment_processing.failed"
    assert Payment.objects.get().failure_code == code
    assert fake.intents == {}


def test_a_refused_key_stops_the_app_and_not_the_customers_dunning(app, fake):
    invoice = issued(app, fake)
    fake.refuse_key = True
    collect()
    app.refresh_from_db()
    assert (app.status, state(invoice)[0]) == ("unauthorized", "issued")
    collect(at("2026-03-18"))
    assert Payment.objects.count() == 1
    fake.refuse_key = False
    update_stripe_keys(app=app, api_key=KEY, webhook_secret=None)
    collect(at("2026-03-18"))
    assert state(invoice) == ("paid", "50.00", "0.00")


def test_a_copy_of_the_database_on_a_site_of_the_other_mode_charges_nothing(app, fake, settings):
    invoice = issued(app, fake)
    settings.STRIPE_MODE = "live"
    collect()
    assert fake.intents == {}
    assert state(invoice)[0] == "issued"
    assert "test key" in invoice.status_note


def test_a_lost_key_leaves_an_unknown_outcome_unknown_until_it_is_back(app, fake, settings):
    invoice = issued(app, fake, "drop")
    collect()
    settings.CREDENTIALS_KEYS = ["another"]
    reconcile()
    assert (Payment.objects.get().status, state(invoice)[0]) == ("unknown", "payment_processing.pending")
    settings.CREDENTIALS_KEYS = []
    reconcile()
    assert state(invoice) == ("paid", "50.00", "0.00")


def test_keys_are_encrypted_and_only_masked_ones_are_shown(app):
    account = StripeAccount.objects.get()
    assert (account.masked_api_key, account.account_id) == ("sk_test_************XYZ", "acct_fake")
    assert KEY not in account.api_key
    assert decrypt(account.api_key) == KEY
    assert decrypt(account.webhook_secret) == "whsec_1"


def test_live_and_foreign_keys_are_refused(app, fake):
    with pytest.raises(InvalidInput, match="live key"):
        install_stripe(name="Live", api_key="sk_live_0123456789")
    with pytest.raises(InvalidInput, match="secret key"):
        install_stripe(name="Public", api_key="pk_test_0123456789")
    with pytest.raises(Conflict, match="installed already"):
        install_stripe(name="Again", api_key=KEY)
    fake.account = "acct_other"
    with pytest.raises(Conflict, match="another Stripe account"):
        update_stripe_keys(app=app, api_key="sk_test_other", webhook_secret=None)
    fake.refuse_key = True
    with pytest.raises(PreconditionFailed, match="does not accept"):
        install_stripe(name="Refused", api_key="sk_test_refused")
    assert BillingApp.objects.filter(type="stripe").count() == 1
    assert decrypt(StripeAccount.objects.get().api_key) == KEY
    assert Invoice.objects.count() == 0


def test_an_answer_that_is_lost_is_told_in_our_words_and_not_those_of_stripe_s_library(app, fake):
    invoice = issued(app, fake, "drop")
    collect()
    payment = Payment.objects.get(invoice=invoice)
    assert payment.failure_message == "Stripe gave no clear answer: The connection broke."


def test_a_reminder_to_confirm_keeps_the_days_of_the_plan_that_a_failure_began(app, fake):
    """Declined on the 17th, to be confirmed since the 18th: reminded on the 20th, then on the 22nd, not the 21st."""
    invoice = issued(app, fake, "decline")
    collect()
    fake.behaviour["cus_1"] = "action"
    collect(at("2026-03-18"))
    collect(at("2026-03-20"))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.next_collection_at) == ("payment_processing.action_required", at("2026-03-22"))
