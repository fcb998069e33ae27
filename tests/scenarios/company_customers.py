"""What the customers of a company do: they subscribe, change what they have, and use it.

Each act says what it did, or None where there was nothing to act on; BillingError where it is refused.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from customers.models import Customer
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import EventReversal, UsageEvent
from invoicing.choices import LineKind
from invoicing.models import InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.start_subscription import start_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, Edit, RemoveItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import Subscription, SubscriptionAddOn
from tests.scenarios.company_life import DAY, CompanyWorld
from tests.scenarios.life_shop import fee

_AMOUNTS = (1, 3, 7.5, 25, 0.333, 60)


def _current(world: CompanyWorld, customer: Customer) -> Subscription | None:
    """The newest of the customer that has not ended."""
    rows = customer.subscriptions.order_by("active_from", "created_at", "id")
    living = [row for row in rows if row.active_to is None or row.active_to > world.now]
    return living[-1] if living else None


def _anybodys(world: CompanyWorld, customer: Customer, *, having: Q) -> Subscription | None:
    """One of the customer's that has not ended and is so, or else anybody's."""
    found = Subscription.objects.filter(Q(active_to__isnull=True) | Q(active_to__gt=world.now), having).distinct()
    in_order = found.order_by("customer__key", "active_from", "created_at")
    chosen: Subscription | None = world.one(in_order.filter(customer=customer)) or world.one(in_order)
    return chosen


def subscribe(world: CompanyWorld, customer: Customer) -> Any:
    chosen, shop = world.random, world.shop(customer)
    plan = chosen.choice(shop.plans)
    start = world.now + chosen.choice([0, 0, -3, 2]) * DAY
    anchor = chosen.choice([None, None, 0, 5, 17])
    start_subscription(
        customer=customer,
        plan=plan,
        active_from=start,
        billing_anchor=None if anchor is None else start - anchor * DAY,
        quantities={"seats": Decimal(chosen.choice(["1", "3", "2.5"]))},
    )
    return f"{plan.key} from {start}"


def change(world: CompanyWorld, customer: Customer) -> Any:
    found = _current(world, customer)
    if found is None:
        return None
    plan, timing = world.random.choice(world.shop(customer).plans), world.timing()
    usage = world.random.choice(["preserve", "preserve", "reset"])
    change_plan(subscription=found, timing=timing, plan=plan, usage=usage)
    return f"{plan.key} {timing} {usage}"


def edit(world: CompanyWorld, customer: Customer) -> Any:
    found = _current(world, customer)
    phase = None if found is None else found.phases.order_by("position").last()
    if found is None or phase is None:
        return None
    kind, timing = world.random.choice(["seats", "usage", "remove"]), world.timing()
    amount = str(world.price(customer, world.random.choice(["3.33", "15", "0.07"])))
    edits: list[Edit] = [RemoveItem(phase.key, "seats")]
    if kind == "seats":
        card = RateCardTerms(
            type="flat_fee", key="seats", name="Seats", billing_cadence=found.billing_cadence, price=fee(amount)
        )
        edits = [AddItem(phase.key, card)]
    elif kind == "usage":
        card = RateCardTerms(
            type="usage_based",
            key="calls",
            name="Calls",
            billing_cadence="P1M",
            feature_key="calls",
            price={"type": "unit", "amount": amount},
        )
        edits = [AddItem(phase.key, card)]
    edit_subscription(subscription=found, timing=timing, edits=edits)
    return f"{kind} {amount} {timing}"


def addon(world: CompanyWorld, customer: Customer) -> Any:
    found = _current(world, customer)
    if found is None:
        return None
    quantity, timing = world.random.randint(0, 3), world.timing()
    purchase = SubscriptionAddOn.objects.filter(subscription=found).first()
    if purchase is None:
        add_addon(subscription=found, addon=world.shop(customer).addon, quantity=max(1, quantity), timing=timing)
    else:
        change_addon_quantity(purchase=purchase, quantity=quantity, timing=timing)
    return f"{quantity} {timing}"


def pause(world: CompanyWorld, customer: Customer) -> Any:
    found = _current(world, customer)
    if found is None:
        return None
    timing = world.timing()
    pause_subscription(subscription=found, timing=timing)
    return timing


def resume(world: CompanyWorld, customer: Customer) -> Any:
    found = _anybodys(world, customer, having=~Q(pauses=[]))
    if found is None:
        return None
    timing = world.timing()
    resume_subscription(subscription=found, timing=timing)
    return timing


def cancel(world: CompanyWorld, customer: Customer) -> Any:
    found = _current(world, customer)
    if found is None:
        return None
    timing = world.random.choice([world.timing(), world.now + 40 * DAY])
    cancel_subscription(subscription=found, timing=timing)
    return timing


def unschedule(world: CompanyWorld, customer: Customer) -> Any:
    found = _anybodys(world, customer, having=Q(active_to__isnull=False))
    if found is None:
        return None
    unschedule_cancelation(subscription=found)
    return found.name


def seats(world: CompanyWorld, customer: Customer) -> Any:
    mode = world.random.choice(["aligned", "extended", "next", "backdated"])
    coupon = world.random.choice([None, None, *world.shop(customer).coupons])
    back = world.random.choice([1, 15]) * DAY
    update = ItemUpdate(
        product_id="seats",
        quantity=Decimal(world.random.choice(["0", "1", "3", "8", "2.5"])),
        align=mode in ("aligned", "extended"),
        extend=mode == "extended",
        coupon_code=None if coupon is None else coupon.code,
        effective_at=world.now - back if mode == "backdated" else None,
    )
    return _updated(world, customer, update)


def report(world: CompanyWorld, customer: Customer) -> Any:
    back = world.random.choice([None, None, 20 * DAY, 40 * DAY])
    quantity = Decimal(world.random.choice(["0", "13", "700.5"]))
    start = None if back is None else world.now - back
    return _updated(world, customer, ItemUpdate(product_id="storage", quantity=quantity, usage_period_start=start))


def _updated(world: CompanyWorld, customer: Customer, update: ItemUpdate) -> Any:
    found = _anybodys(world, customer, having=Q(items__key=update.product_id))
    item = None if found is None else found.items.filter(key=update.product_id).order_by("running_number").last()
    if found is None or item is None:
        return None
    update_item(subscription_id=found.pk, running_number=item.running_number, update=update)
    return update


def use(world: CompanyWorld, customer: Customer) -> Any:
    return _used(world, customer, world.random.choice([0, 1, 3600, 86_400, 3 * 86_400]))


def use_late(world: CompanyWorld, customer: Customer) -> Any:
    """In a window that is settled."""
    windows = InvoiceLine.objects.filter(
        invoice__customer=customer,
        kind=LineKind.USAGE,
        window__isnull=False,
        deleted_at=None,
        period_end__gt=world.now - 120 * DAY,
    ).order_by("period_start", "period_end")
    window = world.one(windows.values_list("period_start", "period_end"))
    if window is None:
        return None
    moment = window[0] + (min(window[1], world.now) - window[0]) * world.random.random()
    return _used(world, customer, int((world.now - moment).total_seconds()))


def _used(world: CompanyWorld, customer: Customer, ago: int) -> Any:
    events = []
    for _ in range(world.random.choice([1, 1, 2, 5])):
        world.events += 1
        event = {"id": f"e{world.events}", "source": "test", "type": "usage", "subject": customer.key}
        moment = world.now - timedelta(seconds=max(0, ago))
        amount = world.random.choice(_AMOUNTS)
        events.append(event | {"time": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "data": {"amount": str(amount)}})
    ingest_events(events=events)
    return [(event["id"], event["time"], event["data"]) for event in events]


def reverse(world: CompanyWorld, customer: Customer) -> Any:
    gone = EventReversal.objects.filter(subject=customer.key).values("event_id")
    events = UsageEvent.objects.filter(subject=customer.key, time__gt=world.now - 75 * DAY).exclude(pk__in=gone)
    event = world.one(events.order_by("time", "external_id"))
    if event is None:
        return None
    reverse_event(source=event.source, event_id=event.external_id, reason="Sent by mistake")
    return f"{event.external_id} of {event.time}"


def use_and_reverse(world: CompanyWorld, customer: Customer) -> Any:
    """What was just used is taken back at once: nothing of it is ever billed."""
    used = _used(world, customer, 60)
    reverse_event(source="test", event_id=used[0][0], reason="Sent by mistake")
    return used
