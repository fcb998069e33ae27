"""A preview shows what the change that follows bills, whatever is changed to what and when."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from invoicing.models import Invoice
from invoicing.subscription_changes.change_plan import change_plan
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.customers import vat_customer
from tests.support.invoices import notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db

CENTS = st.integers(0, 20_000).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
FIGURES = ("credit_amount", "charge_amount", "due_now", "credit_note_total", "next_billing_at", "next_amount")


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(
    old=CENTS,
    new=CENTS,
    percentage=st.integers(0, 99),
    seconds=st.integers(0, 30 * 86_400 - 1),
    timing=st.sampled_from(["immediate", "next_billing_cycle"]),
)
def test_every_preview_equals_the_change(db, old, new, percentage, seconds, timing):
    with transaction.atomic():
        _preview_and_change(old, new, percentage, at("2026-04-01") + timedelta(seconds=seconds), timing)
        transaction.set_rollback(True)


def _preview_and_change(old, new, percentage, moment, timing):
    discounts = {"percentage": {"percentage": percentage}} if percentage else None
    basic = flat_plan("old", None, cards=(flat_card(name="Old", price=fee(old), discounts=discounts),))
    pro = flat_plan("new", new)
    subscription = subscribe(basic, customer=vat_customer())
    with clock.frozen_at(moment):
        before = Invoice.objects.count(), notes()
        preview = _change(subscription, timing, pro, preview=True)
        assert (Invoice.objects.count(), notes()) == before
        made = _change(subscription, timing, pro)
    for name in FIGURES:
        assert getattr(preview, name) == getattr(made, name), name
    assert [(line.name, line.total) for line in preview.lines] == [(line.name, line.total) for line in made.lines]
    assert sum(Invoice.objects.filter(pk__in=made.invoice_ids).values_list("total", flat=True)) >= made.due_now
    assert_books_are_clean(f"{moment:%Y-%m-%dT%H:%M:%S}")


def _change(subscription, timing, plan, **options):
    return change_plan(subscription=Subscription.objects.get(pk=subscription.pk), timing=timing, plan=plan, **options)
