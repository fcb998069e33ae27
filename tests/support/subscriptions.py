"""Makes subscriptions that are billed, and changes them, on a day of the test's choice."""

from core import clock
from customers.models import Customer
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
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


def do(service, subscription, on, timing="immediate", **options):
    """What `service` makes of the subscription as it is stored, said on that day."""
    with clock.frozen_at(at(on)):
        return service(subscription=Subscription.objects.get(pk=subscription.pk), timing=timing, **options)


def edit(subscription, on, *edits, timing="immediate"):
    """The edits, all at once, said on that day."""
    return do(edit_subscription, subscription, on, timing, edits=list(edits))


def billed_items(plan, on="2026-04-01", *, customer=None, **options):
    """The items of a subscription to `plan` by key, as the close leaves them when all up to 1 May is billed."""
    subscription = subscribe(plan, on, customer=customer, bill=False, **options)
    Subscription.objects.update(reconcile_from=at("2026-05-01"), next_billing_at=at("2026-05-01"))
    return {
        item.key: item for item in subscription.items.select_related("subscription__customer", "subscription__plan")
    }


def unscheduled(subscription, on, *, preview=False):
    """The subscription without its end, said on that day."""
    with clock.frozen_at(at(on)):
        current = Subscription.objects.get(pk=subscription.pk)
        return unschedule_cancelation(subscription=current, preview=preview)
