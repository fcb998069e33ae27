"""A change in the past is refused where a document bills what it would have changed, and nowhere else."""

from datetime import timedelta

import pytest

from core import clock
from customers.models import Customer
from invoicing.choices import WindowKind
from invoicing.customer_guards.delete_customer import delete_customer, what_is_open
from invoicing.errors import ContradictsInvoice, OpenBusiness
from invoicing.models import BilledWindow
from invoicing.subscription_changes.refuse_backdating import refuse_contradiction
from subscriptions.models import Subscription
from tests.support.catalog import fee, flat_card, flat_plan, make_excess_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber, run, run_close
from tests.support.customers import make_default_profile
from tests.support.invoices import invoices
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

# Issued on 1 April for April; in advance, so that what is unused comes back.
ISSUED = at("2026-04-01")
MAY = at("2026-05-01")


@pytest.fixture
def subscription(db):
    return subscribe(flat_plan("basic", "30.00"))


def refused(subscription, moment, **only):
    try:
        refuse_contradiction(subscription=subscription, at=moment, **only)
    except ContradictsInvoice as refusal:
        return refusal.message
    return ""


def test_before_its_issue_a_document_is_contradicted_and_from_then_on_not(subscription):
    assert "Invoice INV-000001, issued on 1 April 2026, bills" in refused(subscription, ISSUED - timedelta(seconds=1))
    assert refused(subscription, ISSUED) == ""
    assert refused(subscription, at("2026-04-16")) == ""


def test_what_was_billed_in_arrears_is_contradicted_up_to_its_end_and_not_at_it():
    """The fee of April, issued on 1 May, is for all of April."""
    subscription = subscribe(flat_plan("late", "30.00", cards=(flat_card(price=fee("30.00", "in_arrears")),)))
    run("2026-05-01")
    assert invoices() == [("INV-000001", "30.00", "0.00")]
    assert "for 1 April 2026 to 1 May 2026" in refused(subscription, MAY - timedelta(seconds=1))
    assert refused(subscription, MAY) == ""


def test_of_some_items_only_what_was_billed_for_them_counts(subscription):
    before = ISSUED - timedelta(seconds=1)
    assert refused(subscription, before, item_keys=["base"])
    assert refused(subscription, before, item_keys=["other"]) == ""


def test_what_was_waived_is_contradicted_by_nothing(subscription):
    BilledWindow.objects.update(kind=WindowKind.WAIVER)
    assert refused(subscription, ISSUED - timedelta(seconds=1)) == ""


def test_lines_that_wait_are_open_business_also_once_nothing_runs():
    make_default_profile()
    make_subscriber(make_excess_plan())
    run_close()
    Subscription.objects.update(active_to=at("2026-04-01"), next_billing_at=None)
    customer = Customer.objects.get()
    with clock.frozen_at(at("2026-04-16")):
        assert what_is_open(customer) == "lines that are yet to be invoiced"
        with pytest.raises(OpenBusiness, match="has lines that are yet to be invoiced, and was not deleted"):
            delete_customer(customer=customer)
