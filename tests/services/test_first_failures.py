"""Since when a customer is in dunning: one meaning for the charge, its outcome, the reminder and the plan as shown."""

from datetime import timedelta

import pytest

from core import clock
from invoicing.models import Payment
from invoicing.payments.collect import collect_invoices
from invoicing.payments.dunning import first_failures
from invoicing.payments.dunning_steps import dunning_steps
from tests.support.closing import START, make_issued

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def charge(invoice, attempt, status="failed", code="card_declined", **values):
    return Payment.objects.create(
        created_at=START + attempt * DAY,
        invoice=invoice,
        app=invoice.app,
        amount=invoice.total,
        currency=invoice.currency,
        status=status,
        attempt=attempt,
        failure_code=code,
        **values,
    )


def unpaid(**profile):
    """An invoice whose only charge, by which it was found unpaid, is forgotten."""
    invoice = make_issued(decline=True, **profile)
    invoice.payments.all().delete()
    return invoice


@pytest.mark.parametrize(
    ("status", "code", "values"),
    [
        ("failed", "not_sent", {}),
        ("failed", "not_authorized", {}),
        ("failed", "amount_too_small", {}),
        ("failed", "cannot_charge", {}),
        ("failed", "canceled", {"to_cancel": True}),
        ("failed", "canceled", {}),
        ("action_required", "authentication_required", {}),
        ("pending", "", {}),
        ("unknown", "no_answer", {}),
    ],
)
def test_what_is_no_failure_of_the_customer_s_starts_no_plan(status, code, values):
    invoice = unpaid()
    charge(invoice, 1, status, code, **values)
    assert first_failures([invoice.pk]) == {}
    charge(invoice, 2)
    charge(invoice, 3)
    assert first_failures([invoice.pk]) == {invoice.pk: START + 2 * DAY}
    steps = dunning_steps(invoice, invoice.payments.all())
    assert [step.at for step in steps] == [START + days * DAY for days in (3, 5, 7, 9)]


@pytest.mark.parametrize("code", ["not_sent", "canceled", "cannot_charge"])
def test_a_declined_charge_in_a_transaction_counts_from_the_customer_s_own_first_failure(code):
    invoice = unpaid()
    charge(invoice, 1, code=code)
    now = START + 2 * DAY
    type(invoice).objects.filter(pk=invoice.pk).update(next_collection_at=now)
    with clock.frozen_at(now):
        assert collect_invoices([invoice.pk], as_of=now) == 1
    invoice.refresh_from_db()
    assert (invoice.status, invoice.next_collection_at) == ("payment_processing.failed", START + 3 * DAY)


def test_of_many_invoices_each_has_its_own_by_one_query(django_assert_num_queries):
    invoice = unpaid()
    other = type(invoice).objects.exclude(pk=invoice.pk).get()  # the gathering one, which is never charged
    charge(invoice, 4)
    charge(invoice, 2)
    with django_assert_num_queries(1):
        assert first_failures({invoice.pk, other.pk}) == {invoice.pk: START + 2 * DAY}
    assert first_failures([]) == {}


def test_before_any_failure_the_plan_shown_counts_from_the_charge_that_waits():
    invoice = unpaid()
    charge(invoice, 1, "failed", "not_sent")
    assert dunning_steps(invoice, invoice.payments.all()) == []
    charge(invoice, 2, "action_required", "authentication_required")
    steps = dunning_steps(invoice, invoice.payments.all())
    assert [step.at for step in steps] == [START + days * DAY for days in (3, 5, 7, 9)]


def test_what_staff_ended_is_shown_in_no_plan():
    invoice = unpaid()
    charge(invoice, 1, "failed", "canceled", to_cancel=True)
    assert dunning_steps(invoice, invoice.payments.all()) == []
