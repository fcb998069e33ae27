"""Exactly one default profile, whoever writes at the same time."""

import threading
import time
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from core import clock
from customers.models import BillingApp, BillingProfile, CustomerOverride, Supplier
from invoicing.profile_moves.make_default_profile import make_default_profile
from invoicing.subscription_changes.start_subscription import start_subscription
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_excess_plan
from tests.support.crowd import CLOSE, START, at_once
from tests.support.customers import make_customer
from tests.support.customers import make_default_profile as first_profile

pytestmark = pytest.mark.django_db(transaction=True)


def profile_on_its_own_app(name):
    return BillingProfile.objects.create(
        name=name, supplier=Supplier.objects.get(), app=BillingApp.objects.create(type="bank_transfer", name=name)
    )


def test_two_switches_at_once_leave_one_default_and_pin_each_customer_to_the_first():
    first = first_profile()
    customer = make_customer()
    with clock.frozen_at(START):
        record_subscription(customer=customer, plan=make_excess_plan(), active_from=START)
    for round_number in range(8):
        second, third = (profile_on_its_own_app(f"{name} {round_number}") for name in "AB")
        kept = at_once(
            partial(make_default_profile, profile=second, reason="A"),
            partial(make_default_profile, profile=third, reason="B"),
        )
        assert BillingProfile.objects.get(is_default=True) in (second, third)
        # Whoever came first pinned the customer to the profile that billed them; the other found them pinned.
        assert sorted(kept) == [0, 1]
        assert CustomerOverride.objects.get().billing_profile == first
        CustomerOverride.objects.all().delete()
        make_default_profile(profile=first, reason="Back")
        CustomerOverride.objects.all().delete()


def test_the_database_refuses_two_defaults_and_none():
    profile = first_profile()
    other = profile_on_its_own_app("Bank")
    with pytest.raises(IntegrityError, match="one_default_profile"):
        BillingProfile.objects.filter(pk=other.pk).update(is_default=True)
    for leave_none in (
        lambda: BillingProfile.objects.filter(pk=profile.pk).update(is_default=False),
        lambda: BillingProfile.objects.filter(pk=profile.pk).delete(),
    ):
        with pytest.raises(IntegrityError, match="There must be a default billing profile"), transaction.atomic():
            leave_none()
    assert BillingProfile.objects.get(is_default=True) == profile


def test_a_switch_waits_for_a_purchase_under_way_and_pins_its_customer():
    """Nobody who has subscribed is moved to another app, also when the switch comes before the purchase is kept."""
    first, second = first_profile(), profile_on_its_own_app("Bank")
    plan, customer = make_excess_plan(), make_customer()
    subscribed = threading.Event()

    def buy():
        with transaction.atomic():
            start_subscription(customer=customer, plan=plan, active_from=CLOSE)
            subscribed.set()
            time.sleep(1)

    def switch():
        subscribed.wait(timeout=30)
        return make_default_profile(profile=second, reason="For new ones")

    assert at_once(buy, switch)[1] == 1
    assert CustomerOverride.objects.get().billing_profile == first
