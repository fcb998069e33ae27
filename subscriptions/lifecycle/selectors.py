"""Reads of plans, subscriptions and items, each with a constant number of queries."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Prefetch, Q, QuerySet

from core.periods import Period, parse_cadence
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.errors import UnknownItem
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.models import (
    ItemRevision,
    QuantityChange,
    Subscription,
    SubscriptionAddOn,
    SubscriptionItem,
    SubscriptionPhase,
)
from subscriptions.schedule.billing_calendar import period_at


def terms_of_revision(revision: ItemRevision) -> RateCardTerms:
    """How an item is priced, as a plain value. Needs the item loaded."""
    return RateCardTerms(
        type=revision.type,
        key=revision.item.key,
        name=revision.name,
        description=revision.description,
        metadata=revision.metadata,
        feature_id=revision.feature_id,
        feature_key=revision.feature_key,
        billing_cadence=revision.billing_cadence,
        price=revision.price,
        discounts=revision.discounts,
        tax_config=revision.tax_config,
        entitlement_template=revision.entitlement_template,
    )


def subscriptions_shown() -> QuerySet[Subscription]:
    """Subscriptions with what their list shows, in one query."""
    return Subscription.objects.select_related("plan")


def subscriptions_expanded() -> QuerySet[Subscription]:
    """Subscriptions with phases, items and their revisions: four queries for any number of them."""
    quantities = QuantityChange.objects.order_by("effective_at", "recorded_at", "id")
    revisions = (
        ItemRevision.objects.select_related("item", "feature__meter")
        .exclude(active_to=F("active_from"))
        .order_by("item__running_number", "active_from")
        .prefetch_related(Prefetch("item__quantity_changes", quantities))
    )
    # What an edit has removed stays without any time, and is not shown.
    phases = (
        SubscriptionPhase.objects.exclude(active_to=F("active_from"))
        .order_by("position")
        .prefetch_related(Prefetch("revisions", revisions))
    )
    return subscriptions_shown().prefetch_related(Prefetch("phases", phases))


def find_item(*, subscription_id: UUID, running_number: int) -> SubscriptionItem:
    """The item, with its subscription, customer and plan. `UnknownItem` where there is none."""
    items = SubscriptionItem.objects.select_related("subscription__customer", "subscription__plan")
    item = items.filter(subscription_id=subscription_id, running_number=running_number).first()
    if item is None:
        raise UnknownItem(running_number)
    return item


def revision_at(item: SubscriptionItem, moment: datetime) -> ItemRevision | None:
    """How the item is priced at `moment`, the subscription's own end included; None where it is not active then."""
    end = item.subscription.active_to
    if end is not None and end <= moment:
        return None
    covering = Q(active_to__isnull=True) | Q(active_to__gt=moment)
    return item.revisions.select_related("feature__meter").filter(covering, active_from__lte=moment).first()


def quantity_at(item: SubscriptionItem, moment: datetime) -> Decimal:
    """The quantity (seats) of a flat item at `moment`: 1 until a change says otherwise."""
    changes = QuantityChange.objects.filter(item=item, effective_at__lte=moment)
    latest = changes.order_by("-effective_at", "-recorded_at", "-id").first()
    return latest.quantity if latest else Decimal(1)


def flat_items_at(subscription: Subscription, moment: datetime) -> list[SubscriptionItem]:
    """The items that are priced by quantity (seats) at `moment`, or were when the subscription's end came before it."""
    covering = Q(revisions__active_to__isnull=True) | Q(revisions__active_to__gt=moment)
    flat = Q(revisions__price__type="flat", revisions__active_from__lte=moment)
    return list(subscription.items.filter(covering & flat).distinct())


def current_quantity(item: SubscriptionItem, moment: datetime) -> Decimal:
    """As `quantity_at`, for an item whose changes are loaded in order of time: see `subscriptions_expanded`."""
    quantity = Decimal(1)
    for change in item.quantity_changes.all():
        if change.effective_at <= moment:
            quantity = change.quantity
    return quantity


def current_period(subscription: Subscription, at: datetime) -> Period:
    """The billing period of the subscription's own cadence that holds `at`, cut to its active time.

    Before its start, the first one; after its end, the last.
    """
    calendar = calendar_of(subscription)
    moment = max(at, calendar.start)
    if calendar.end is not None:
        moment = max(calendar.start, min(moment, calendar.end - datetime.resolution))
    period = period_at(calendar, calendar.cadence, moment)
    end = period.end if calendar.end is None else min(period.end, calendar.end)
    return Period(max(period.start, calendar.start), end)


def item_period(revision: ItemRevision, moment: datetime) -> Period | None:
    """The period of an item that holds `moment`, cut to the time in which this revision is active.

    None for a one-time item, which has no periods.
    """
    cadence = parse_cadence(revision.billing_cadence)
    if cadence is None:
        return None
    subscription = revision.item.subscription
    whole = period_at(calendar_of(subscription), cadence, moment)
    ends = [end for end in (revision.active_to, subscription.active_to) if end is not None]
    return Period(max(whole.start, revision.active_from), min([whole.end, *ends]))


def overlapping_features(
    *,
    customer_id: UUID,
    spans: Iterable[tuple[str, datetime, datetime | None]],
    apart_from: SubscriptionAddOn | None = None,
) -> list[tuple[str, UUID]]:
    """(feature key, subscription id) of every feature that the customer already has during one of `spans`, not counting
    the add-on `apart_from`.

    A span is a feature key with its half-open time. Neither items nor subscriptions that ended before it count.
    """
    spans = list(spans)
    if not spans:
        return []
    wanted = Q()
    for feature_key, start, end in spans:
        overlap = Q(feature_key=feature_key)
        overlap &= Q(active_to__isnull=True) | (Q(active_to__gt=start) & Q(active_to__gt=F("active_from")))
        overlap &= Q(item__subscription__active_to__isnull=True) | (
            Q(item__subscription__active_to__gt=start) & Q(item__subscription__active_to__gt=F("active_from"))
        )
        if end is not None:
            overlap &= Q(active_from__lt=end)
        wanted |= overlap
    found = ItemRevision.objects.filter(wanted, item__subscription__customer_id=customer_id)
    if apart_from is not None:
        found = found.exclude(item__purchase=apart_from)
    rows = found.order_by("feature_key", "active_from").values_list("feature_key", "item__subscription_id").distinct()
    return [(feature_key, subscription_id) for feature_key, subscription_id in rows if feature_key]
