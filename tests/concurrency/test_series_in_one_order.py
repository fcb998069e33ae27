"""Whoever needs several number series locks them all the first time, in one order: no two wait in a circle."""

from functools import partial
from threading import Event

import pytest
from django.db import transaction

from core import clock
from customers.models import CustomerOverride, Supplier
from invoicing.choices import SeriesKind
from invoicing.lifecycle.numbering import take_blocks
from invoicing.models import CreditNote, Invoice, ParkedCustomer
from invoicing.runs.run_due import close_now
from invoicing.subscription_changes.change_plan import change_plan
from subscriptions.lifecycle.record_plan_change import record_plan_change
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.crowd import at_once
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.workers import wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

START = at("2026-04-01")
MIDDLE = at("2026-04-16")


@pytest.fixture
def moved():
    """90.00 a month in advance, billed on 1 April by the supplier INV; then moved to the supplier ZZZ."""
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(START):
        subscription = record_subscription(
            customer=customer, plan=flat_plan("large", "90.00"), active_from=START, name="Large"
        )
        close_now(as_of=START, trigger="schedule")
    bill_by("ZZZ", customer)
    return subscription


def bill_by(prefix, customer, **settings):
    supplier = Supplier.objects.create(name=prefix, invoice_prefix=prefix, credit_note_prefix=f"{prefix}CN")
    profile = enterprise(name=f"Profile {prefix}", supplier=supplier, **settings)
    CustomerOverride.objects.create(customer=customer, billing_profile=profile)


def beside_another_issuer(act, *, first, then):
    """`act` while another transaction holds the series of `first` and goes on to that of `then`, which sorts behind."""
    suppliers = dict(Supplier.objects.values_list("invoice_prefix", "id"))
    held = Event()

    def act_then():
        assert held.wait(timeout=30)
        return act()

    @transaction.atomic
    def other():
        take_blocks({suppliers[first]: 1}, kind=SeriesKind.INVOICE, issue_at=MIDDLE)
        held.set()
        wait_until_blocked("invoicing_numberseries")
        take_blocks({suppliers[then]: 1}, kind=SeriesKind.INVOICE, issue_at=MIDDLE)
        transaction.set_rollback(True)

    return at_once(act_then, other, now=MIDDLE)[0]


def documents():
    issued = Invoice.objects.filter(issued_at__isnull=False).values_list("number", "total")
    noted = CreditNote.objects.values_list("number", "total")
    return sorted((number, str(total)) for number, total in [*issued, *noted])


def test_a_change_whose_first_bill_issues_and_whose_second_credits_another_suppliers_invoice(moved):
    """Two weeks of 5.00 by the new supplier; then 45.00 of the old one's 90.00 against 15.00 of the new plan: 30.00 of
    it by credit note."""
    weekly = (flat_card(key="visits", name="Visits", price=fee("5.00", "in_arrears"), billing_cadence="P1W"),)
    with clock.frozen_at(START):
        plan = flat_plan("visits", "", cards=weekly)
        record_subscription(customer=moved.customer, plan=plan, active_from=START)
    smaller = flat_plan("small", "30.00")
    change = partial(change_plan, subscription=moved, timing="immediate", plan=smaller)
    beside_another_issuer(change, first="INV", then="ZZZ")
    assert documents() == [
        ("CN-000001", "30.00"),
        ("INV-000001", "90.00"),
        ("ZZZ-000001", "10.00"),
        ("ZZZ-000002", "0.00"),
    ]
    assert_books_are_clean("2026-04-16")


def test_a_batch_that_credits_for_one_and_drafts_for_another(moved):
    """One is billed by ZZZ, with a credit note over an invoice of INV; AAA has a draft to make for the other."""
    other = make_customer(key="other", name="Other")
    bill_by("AAA", other, draft_period="P1D")
    with clock.frozen_at(MIDDLE):
        record_subscription(customer=other, plan=moved.plan, active_from=MIDDLE)
        record_plan_change(subscription=moved, at=MIDDLE, plan=flat_plan("small", "30.00"))
    beside_another_issuer(partial(close_now, as_of=MIDDLE, trigger="schedule"), first="AAA", then="ZZZ")
    assert not ParkedCustomer.objects.exists()
    assert documents() == [("CN-000001", "30.00"), ("INV-000001", "90.00"), ("ZZZ-000001", "0.00")]
    assert str(Invoice.objects.get(customer=other, status__startswith="draft.").total) == "90.00"
    assert_books_are_clean("2026-04-16")
