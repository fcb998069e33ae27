"""What Stripe tells us: signed, once, in any order; and what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.audit.models import AuditEntry
from core.ids import to_text
from core.testclock.models import ClockSetting
from invoicing.models import Payment, StripeEvent
from invoicing.payments.connect_stripe import install_stripe
from tests.support.api import data, refused
from tests.support.charges import check_books, collect, issued, reconcile, state
from tests.support.clock import at
from tests.support.closing import START

pytestmark = pytest.mark.django_db(transaction=True)

FAILED = {
    "status": "requires_payment_method",
    "last_payment_error": {"code": "card_declined", "message": "Your card was declined."},
}


def confirm(fake):
    fake.intents["pi_1"]["status"] = "succeeded"
    return fake.event("payment_intent.succeeded", fake.intents["pi_1"])


def test_a_confirmed_charge_pays_the_invoice_however_often_it_is_told(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    body = confirm(fake)
    for _ in range(3):
        answer = data(hear(body))
        assert (answer["appId"], answer["message"]) == (to_text(app.pk), "The charge is now: succeeded.")
        assert answer["customerId"] == to_text(invoice.customer_id)
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert StripeEvent.objects.count() == 1
    check_books()


def test_events_may_come_in_any_order(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    then = int(time.time())
    asked = fake.event("payment_intent.requires_action", fake.intents["pi_1"], created=then - 20)
    failed = fake.event(
        "payment_intent.payment_failed",
        fake.intents["pi_1"] | {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
        created=then - 10,
    )
    for body in (confirm(fake), failed, asked):
        data(hear(body))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert Payment.objects.get().status == "succeeded"
    check_books()


def test_a_webhook_that_overtakes_the_answer_is_booked_once(app, fake, hear):
    invoice = issued(app, fake, "drop")
    collect()
    assert Payment.objects.get().external_id is None
    data(hear(fake.event("payment_intent.succeeded", fake.intents["pi_1"])))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert Payment.objects.get().external_id == "pi_1"


def test_a_wrong_or_old_signature_is_a_400_and_changes_nothing(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    body = confirm(fake)
    assert "signature" in refused(hear(body, secret="whsec_other"), 400)["detail"]
    refused(hear(body, at=int(time.time()) - 3600), 400)
    refused(hear(b"not an event"), 400)
    refused(hear(b'{"id": "evt_1"}'), 400)
    assert state(invoice)[0] == "payment_processing.action_required"
    assert not StripeEvent.objects.exists()


@pytest.mark.parametrize(
    "thing",
    ["null", "[1]", '"text"', "{}", '{"id": "pi_1", "metadata": "text", "status": "succeeded"}', '{"metadata": [1]}'],
)
@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "refund.created", "charge.refunded", "customer.deleted"])
def test_an_event_that_is_signed_and_makes_no_sense_changes_nothing(app, fake, hear, kind, thing):
    head = f'{{"id": "evt_1", "type": "{kind}", "livemode": false, "created": {int(time.time())}, '
    answer = hear(f'{head}"data": {{"object": {thing}}}}}'.encode())
    assert answer.status_code in (200, 400)
    assert not Payment.objects.exists()


@pytest.mark.parametrize("long", ["event", "charge"])
def test_an_id_of_a_length_that_stripe_has_not_is_a_400(app, fake, hear, long):
    issued(app, fake, "action")
    collect()
    names = {"event": "evt_1", "charge": "pi_1"} | {long: "x" * 256}
    body = fake.event("payment_intent.succeeded", fake.intents["pi_1"] | {"id": names["charge"]}, name=names["event"])
    assert refused(hear(body), 400)["type"] == "urn:countinghouse:error:bad_event"
    assert not StripeEvent.objects.exists()


def test_money_given_back_of_a_charge_without_a_payment_intent_does_not_wait_for_ours(app, fake, hear):
    """Charges of other systems at the same account: nothing of ours can be meant, though one of ours is in flight."""
    issued(app, fake, "drop")
    collect()
    foreign = {"id": "ch_1", "object": "charge", "payment_intent": None, "currency": "eur"}
    assert data(hear(fake.event("charge.refunded", foreign)))["message"] == "Not a charge of ours."
    assert StripeEvent.objects.count() == 1


def test_an_event_of_another_app_account_or_mode_is_a_400_and_changes_nothing(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    body = confirm(fake)
    fake.account = "acct_other"
    other = install_stripe(name="Stripe US", api_key="sk_test_of_another", webhook_secret="whsec_2")
    refused(hear(body, to=other), 400)
    refused(hear(body, to=other, secret="whsec_2"), 400)
    refused(hear(body.replace(b'"livemode": false', b'"livemode": true')), 400)
    refused(hear(body.replace(b'"livemode"', b'"account": "acct_x", "livemode"')), 400)
    assert state(invoice)[0] == "payment_processing.action_required"
    assert not StripeEvent.objects.exists()


def test_a_charge_that_is_not_ours_and_an_event_of_no_interest_are_taken_quietly(app, fake, hear):
    foreign = {"id": "pi_foreign", "object": "payment_intent", "status": "succeeded", "metadata": {}}
    assert data(hear(fake.event("payment_intent.succeeded", foreign)))["message"] == "Not a charge of ours."
    assert data(hear(fake.event("plan.created", {"id": "x"})))["message"] == "Nothing to do."


def test_a_payment_method_that_is_removed_at_stripe_is_forgotten(app, fake, hear):
    invoice = issued(app, fake)
    row = invoice.customer.app_data.get()
    row.data = {"defaultPaymentMethodId": "pm_9"}
    row.save()
    data(hear(fake.event("payment_method.detached", {"id": "pm_9"})))
    row.refresh_from_db()
    assert row.data == {}


def test_a_copy_of_a_charge_of_ours_is_not_ours(app, fake, hear):
    """Somebody at Stripe made another PaymentIntent with our metadata."""
    invoice = issued(app, fake, "action")
    collect()
    copy = fake.intents["pi_1"] | {"id": "pi_copy", "status": "succeeded"}
    assert data(hear(fake.event("payment_intent.succeeded", copy)))["message"] == "Not a charge of ours."
    assert state(invoice) == ("payment_processing.action_required", "0", "50.00")


def test_what_is_told_twice_is_written_down_once(app, fake, hear):
    invoice = issued(app, fake)
    body = fake.event("customer.deleted", {"id": "cus_1"})
    for _ in range(2):
        assert data(hear(body))["message"] == "The customer is gone at Stripe: charges will fail."
    assert AuditEntry.objects.filter(customer_id=invoice.customer_id, verb="update_app_data").count() == 1


def test_events_that_come_at_the_same_time_are_booked_once(app, fake, live_server):
    """As Stripe sends them: to the running server, several deliveries of several events at once."""
    invoice = issued(app, fake, "action")
    ClockSetting.objects.create(now=START)
    collect()
    fake.webhook, fake.webhook_secret = f"{live_server.url}/api/v1/apps/{to_text(app.pk)}/stripe/webhook", "whsec_1"
    waiting = fake.event("payment_intent.requires_action", fake.intents["pi_1"])
    confirmed = [confirm(fake), confirm(fake)]
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(fake.send, [confirmed[0], waiting, confirmed[1]] * 3)) == {200}
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert StripeEvent.objects.count() == 3
    check_books()


def failed(fake, intent="pi_1", **changes):
    """The body of the event that a charge failed, which Stripe knows of too."""
    fake.intents[intent] |= FAILED
    return fake.event("payment_intent.payment_failed", fake.intents[intent], **changes)


@pytest.mark.parametrize("seconds", [0, -1, -20])
def test_a_failure_within_the_second_of_the_answer_or_by_a_slower_clock_is_booked(app, fake, hear, seconds):
    invoice = issued(app, fake, "processing")
    collect()
    heard_at = int(Payment.objects.get().provider_state_at.timestamp())
    assert data(hear(failed(fake, created=heard_at + seconds)))["message"] == "The charge is now: failed."
    assert state(invoice) == ("payment_processing.failed", "0", "50.00")


def test_a_failure_that_came_before_the_time_out_of_our_call_is_booked(app, fake, hear):
    invoice = issued(app, fake, "drop")
    collect()
    data(hear(failed(fake, created=int(time.time()) - 60)))
    assert state(invoice)[0] == "payment_processing.failed"


def test_a_charge_that_stripe_tries_again_is_in_flight_again_and_ends_once(app, fake, hear):
    invoice = issued(app, fake, "decline")
    collect()
    fake.intents["pi_1"] |= {"status": "processing", "last_payment_error": None}
    data(hear(fake.event("payment_intent.processing", fake.intents["pi_1"])))
    assert state(invoice)[0] == "payment_processing.pending"
    assert invoice.next_collection_at is None
    collect(at("2026-03-18"))
    assert len(fake.intents) == 1  # no second charge beside it
    late = fake.event("payment_intent.payment_failed", fake.intents["pi_1"] | FAILED, created=int(time.time()) - 60)
    data(hear(late))
    assert state(invoice)[0] == "payment_processing.pending"
    data(hear(confirm(fake)))
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_old_news_that_a_failed_charge_was_under_way_changes_nothing(app, fake, hear):
    invoice = issued(app, fake, "decline")
    collect()
    data(hear(fake.event("payment_intent.processing", fake.intents["pi_1"] | {"status": "processing"})))
    assert state(invoice)[0] == "payment_processing.failed"


def test_an_event_that_stripe_must_be_asked_about_is_not_kept_while_stripe_gives_no_answer(app, fake, hear):
    invoice = issued(app, fake, "action")
    collect()
    body = failed(fake, created=int(time.time()) - 60)
    fake.refuse_key = True
    assert "send it again" in refused(hear(body), 412)["detail"]
    assert not StripeEvent.objects.exists()
    fake.refuse_key = False
    data(hear(body))
    assert state(invoice)[0] == "payment_processing.failed"


def test_a_refund_of_a_charge_whose_answer_was_lost_is_heard_again(app, fake, hear):
    invoice = issued(app, fake, "drop")
    collect()
    refund = fake.refund_by_hand("pi_1", 2000)
    body = fake.event("refund.created", refund)
    assert "not known yet" in refused(hear(body), 412)["detail"]
    assert not StripeEvent.objects.exists()
    reconcile()
    data(hear(body))
    assert state(invoice) == ("issued", "50.00", "20.00")
    check_books()
