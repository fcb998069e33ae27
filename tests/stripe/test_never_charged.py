"""Charges that can never succeed: a cause for staff at once, and neither a dunning plan nor a mail for the customer."""

from decimal import Decimal

import pytest
from django.core import mail

from core import clock
from core.ids import to_text
from core.outbox.services.deliver import deliver_due
from customers.models import BillingApp
from invoicing.errors import WrongInvoiceState
from invoicing.gateways.stripe_limits import why_never
from invoicing.models import Payment
from invoicing.payments.collect import collect_due
from invoicing.payments.collect_invoice import collect_invoice
from invoicing.payments.dunning_steps import dunning_steps
from invoicing.payments.record_payment import record_payment
from invoicing.runs.run_due import run_due
from tests.support.api import Api, data
from tests.support.charges import check_books, collect, issued, state
from tests.support.clock import at
from tests.support.closing import START, make_issued
from tests.support.customers import make_default_profile
from tests.support.desk import Desk, page_url

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = [at(f"2026-03-{day}") for day in range(17, 32)]


def pay(invoice, amount):
    with clock.frozen_at(START):
        record_payment(invoice=invoice, amount=Decimal(amount), received_at=START, reference=f"by bank {amount}")


def weeks():
    """Two weeks pass; the subjects of the mails that customers get meanwhile."""
    for day in DAYS:
        with clock.frozen_at(day):
            run_due(as_of=day)
            deliver_due()
    return [message.subject for message in mail.outbox if "INV-000001" in message.subject and "fail" in message.subject]


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("0.30", "USD", "amount_too_small"),
        ("0.49", "EUR", "amount_too_small"),
        ("0.50", "EUR", None),
        ("0.30", "GBP", None),
        ("49", "JPY", "amount_too_small"),
        ("1.935", "KWD", "amount_not_chargeable"),
        ("1.930", "KWD", None),
        ("0.20", "MGA", "amount_not_chargeable"),
        ("0.01", "XOF", "amount_not_chargeable"),
        ("0.10", "ILS", None),  # not in the table: Stripe is asked
    ],
)
def test_what_stripe_never_charges_is_known_before_it_is_asked(amount, currency, code):
    never = why_never(Decimal(amount), currency)
    assert (never.failure_code if never else None) == code


def test_an_amount_below_the_least_is_for_staff_at_once_and_nobody_is_written_to(app, fake):
    make_default_profile(app=app, due_after="P3D", uncollectible_after_dunning=True)
    invoice = issued(app, fake)
    pay(invoice, "49.70")
    assert weeks() == []
    assert state(invoice) == ("overdue", "49.70", "0.30")  # not given up by itself either
    assert (fake.intents, invoice.next_collection_at) == ({}, None)
    payment = invoice.payments.get(attempt=1)
    assert (payment.status, payment.failure_code) == ("failed", "amount_too_small")
    words = (
        "Stripe charges 0.50 EUR at least, and 0.30 EUR is due. It is not tried again by itself. "
        "Record a payment that comes in otherwise, credit the rest, or write it off."
    )
    assert invoice.status_note == words
    assert words in Desk("Billing admin").read(page_url(invoice))
    shown = data(Api().get(f"/billing/invoices/{to_text(invoice.pk)}"))
    assert [issue["message"] for issue in shown["validationIssues"]] == [words]
    assert dunning_steps(invoice, invoice.payments.all()) == []
    assert [message.subject for message in mail.outbox if "overdue" in message.subject] == []
    check_books()


def test_a_rest_below_the_least_ends_the_dunning_plan_that_a_decline_began(app, fake):
    make_default_profile(app=app, due_after="P3D", uncollectible_after_dunning=True)
    invoice = issued(app, fake, "decline")
    collect()
    pay(invoice, "49.70")
    assert weeks() == ["Payment of invoice INV-000001 failed"]  # the decline, and nothing after it
    assert state(invoice) == ("overdue", "49.70", "0.30")
    assert invoice.next_collection_at is None
    charges = Payment.objects.filter(attempt__isnull=False).order_by("attempt")
    assert [(charge.failure_code, str(charge.amount)) for charge in charges] == [
        ("card_declined", "50.00"),
        ("amount_too_small", "0.30"),
    ]
    check_books()


def test_staff_who_charge_it_again_are_told_why_not(app, fake):
    invoice = issued(app, fake)
    pay(invoice, "49.70")
    collect()
    with clock.frozen_at(START), pytest.raises(WrongInvoiceState, match=r"Stripe charges 0\.50 EUR at least"):
        collect_invoice(invoice=invoice)
    page = Desk("Billing admin").read(page_url(invoice))
    assert "Stripe charges 0.50 EUR at least, and 0.30 EUR is due. Record a payment" in page
    assert Payment.objects.filter(attempt__isnull=False).count() == 1


@pytest.mark.parametrize(
    ("refusal", "code", "says"),
    [
        ("amount_too_small", "amount_too_small", "No: amount_too_small."),
        ("amount_too_large", "amount_too_large", "No: amount_too_large."),
        ("parameter_invalid_string currency", "currency_not_supported", "No: parameter_invalid_string."),
        ("parameter_unknown foo", "refused", "Stripe refused the charge (parameter_unknown): No: parameter_unknown."),
        ("resource_missing customer", "refused", "Stripe refused the charge (resource_missing): No: resource_missing."),
    ],
)
def test_what_stripe_refuses_as_it_was_asked_for_is_no_decline(app, fake, refusal, code, says):
    invoice = issued(app, fake, f"refuse {refusal}")
    assert weeks() == []
    assert [(payment.attempt, payment.failure_code) for payment in Payment.objects.all()] == [(1, code)]
    assert invoice.payments.get().failure_message == says
    invoice.refresh_from_db()
    assert invoice.status_note.startswith(f"{says} It is not tried again by itself.")
    fake.behaviour["cus_1"] = ""
    with clock.frozen_at(DAYS[-1]):
        collect_invoice(invoice=invoice)
    collect(DAYS[-1])
    assert state(invoice) == ("paid", "50.00", "0.00")
    check_books()


def test_a_payment_method_that_is_gone_is_the_customers_affair(app, fake):
    invoice = issued(app, fake, "refuse resource_missing payment_method")
    collect()
    assert (state(invoice)[0], Payment.objects.get().failure_code) == ("payment_processing.failed", "no_payment_method")
    assert invoice.next_collection_at == at("2026-03-18")


def test_once_less_is_due_the_rest_of_what_was_too_much_is_charged_by_itself(app, fake):
    invoice = issued(app, fake, "refuse amount_too_large")
    collect()
    fake.behaviour["cus_1"] = ""
    collect(at("2026-03-18"))
    assert fake.intents == {}  # as much is due as before
    pay(invoice, "20.00")
    collect(at("2026-03-18"))
    assert state(invoice) == ("paid", "50.00", "0.00")
    assert fake.charged("cus_1") == [3000]
    check_books()


def test_a_decline_after_such_a_cause_begins_the_dunning_plan(app, fake):
    invoice = issued(app, fake, "refuse amount_too_large")
    collect()
    fake.behaviour["cus_1"] = "decline"
    pay(invoice, "20.00")
    collect(at("2026-03-20"))
    assert state(invoice)[0] == "payment_processing.failed"
    assert invoice.next_collection_at == at("2026-03-21")  # a day after the decline


def test_an_app_that_charges_nobody_makes_a_cause_for_staff_and_no_mails():
    invoice = make_issued(app=BillingApp.objects.create(type="bank_transfer", name="Bank"))
    collect_due(as_of=START)
    assert weeks() == []
    assert [payment.failure_code for payment in Payment.objects.all()] == ["cannot_charge"]
    invoice.refresh_from_db()
    assert invoice.next_collection_at is None
    assert invoice.status_note.startswith("Bank can't charge automatically: record the customer's payment.")
    with clock.frozen_at(DAYS[-1]), pytest.raises(WrongInvoiceState, match=r"^Bank can't charge automatically: record"):
        collect_invoice(invoice=invoice)
    assert Payment.objects.count() == 1
    assert "Bank can&#x27;t charge automatically" in Desk("Billing admin").read(page_url(invoice))
