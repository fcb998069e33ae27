"""Two writers at one moment: each rule holds as if they had come one after the other."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from core import clock
from core.errors import Conflict
from customers.models import Customer
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import CouponRedemption, Plan, Subscription, SubscriptionItem
from tests.support.catalog import make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db(transaction=True)
START = at("2026-03-17")


def at_once(*acts):
    """Run `acts` at the same moment, each with a connection of its own; what each answered, or the Conflict it got."""
    together = Barrier(len(acts))

    def run(act):
        try:
            together.wait(timeout=10)
            with clock.frozen_at(START):
                return act()
        except Conflict as conflict:
            return conflict
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_purchases_of_one_feature_one_is_refused():
    make_customer()
    make_excess_plan()

    def buy():
        return record_subscription(customer=Customer.objects.get(), plan=Plan.objects.get(), active_from=START)

    answers = at_once(buy, buy)
    assert sorted(type(answer).__name__ for answer in answers) == ["FeatureAlreadySubscribed", "Subscription"]
    assert Subscription.objects.count() == 1


def test_the_limit_of_a_coupon_holds_between_customers():
    plan = make_plan()
    create_coupon(facts=CouponFacts(code="ONE", percentage=Decimal(50), redemption_limit=1))
    with clock.frozen_at(START):
        for key in ("acme", "bolt"):
            record_subscription(customer=make_customer(key=key, name=key), plan=plan, active_from=START)
    items = list(SubscriptionItem.objects.select_related("subscription__plan"))

    answers = at_once(*(lambda item=item: record_redemption(item=item, code="ONE", at=START) for item in items))
    assert sorted(type(answer).__name__ for answer in answers) == ["CouponNotRedeemable", "CouponRedemption"]
    assert CouponRedemption.objects.count() == 1
