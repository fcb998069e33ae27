"""Makes subscriptions that are billed, and changes them, on a day of the test's choice."""

from core import clock
from customers.models import Customer
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.change_plan import change_plan
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Subscription
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile


def subscribe(plan, on="2026-04-01", *, customer=None, bill=True, **options):
    """The subscription of Acme, or of `customer`, billed for what is due at its start."""
    make_default_profile()
    customer = customer or Customer.objects.filter(key="acme").first() or make_customer()
    with clock.frozen_at(at(on)):
        subscription = record_subscription(customer=customer, plan=plan, active_from=at(on), **options)
        if bill:
            run_due(as_of=at(on))
    return subscription


def change(subscription, plan, on="2026-04-16", *, timing="immediate", **options):
    """The result of changing to `plan`, said on that day."""
    with clock.frozen_at(at(on)):
        return change_plan(
            subscription=Subscription.objects.get(pk=subscription.pk), timing=timing, plan=plan, **options
        )
