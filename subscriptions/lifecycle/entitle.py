"""Lets a customer's entitlements follow from the facts of their subscriptions."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from core.many_ids import among
from entitlements.access.settle_managed import ManagedEntitlement, settle_managed
from subscriptions.lifecycle.facts import calendar_of, pauses_of
from subscriptions.models import AddOnQuantity, ItemRevision, Subscription
from subscriptions.schedule.entitled import (
    EntitledSpan,
    EntitlingRevision,
    EntitlingSubscription,
    entitled_spans,
)
from subscriptions.schedule.facts import QuantityAt


def settle_entitlements(customer_id: uuid.UUID) -> None:
    """Write what the subscriptions of the customer entitle to, as their facts are now (billing rules 9): in the
    transaction that changes them, behind the customer's lock, once they are as they will be.

    EntitlementTaken (Conflict) where somebody entitled the customer to one of the features by hand. Two queries where
    no plan of theirs entitles to anything.
    """
    settle_managed(customer_id, entitled_by_subscriptions([customer_id])[customer_id])


def entitled_by_subscriptions(customer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[ManagedEntitlement]]:
    """What the subscriptions of each of these customers entitle to, in order of time. One query where none entitles to
    anything, at most four however many there are."""
    entitling: dict[uuid.UUID, list[EntitlingSubscription]] = defaultdict(list)
    revisions = defaultdict(list)
    rows = among(
        ItemRevision.objects.filter(entitlement_template__isnull=False, feature__isnull=False),
        "item__subscription__customer_id",
        customer_ids,
    )
    for row in rows.select_related("item").order_by("active_from", "id"):
        revisions[row.item.subscription_id].append(row)
    if revisions:
        quantities = _addon_quantities(customer_ids)
        # Also those that entitle to nothing: a change of plan may have led through them.
        subscriptions = among(Subscription.objects.select_related("plan"), "customer_id", customer_ids)
        for subscription in subscriptions:
            entitling[subscription.customer_id].append(
                EntitlingSubscription(
                    id=subscription.pk,
                    plan_key=subscription.plan.key if subscription.plan is not None else None,
                    zone=subscription.time_zone,
                    anchor=subscription.billing_anchor,
                    start=subscription.active_from,
                    end=subscription.active_to,
                    revisions=tuple(_revision(row, quantities) for row in revisions[subscription.pk]),
                    shifts=calendar_of(subscription).shifts,
                    pauses=pauses_of(subscription),
                    previous_id=subscription.previous_id,
                    keeps_usage=subscription.keeps_usage,
                )
            )
    return {each: [_managed(span) for span in entitled_spans(entitling[each])] for each in customer_ids}


def _addon_quantities(customer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[QuantityAt, ...]]:
    """How many of each purchase there are when. One query."""
    found: dict[uuid.UUID, list[QuantityAt]] = defaultdict(list)
    rows = among(AddOnQuantity.objects.all(), "purchase__subscription__customer_id", customer_ids)
    for change in rows.order_by("effective_at"):
        found[change.purchase_id].append(QuantityAt(change.effective_at, change.quantity))
    return {purchase: tuple(changes) for purchase, changes in found.items()}


def _revision(row: ItemRevision, quantities: dict[uuid.UUID, tuple[QuantityAt, ...]]) -> EntitlingRevision:
    assert row.feature_id is not None
    assert row.feature_key is not None
    purchase = row.item.purchase_id
    return EntitlingRevision(
        item_id=row.item_id,
        item_key=row.item.key,
        start=row.active_from,
        end=row.active_to,
        feature_id=row.feature_id,
        feature_key=row.feature_key,
        template=row.entitlement_template or {},
        quantities=quantities.get(purchase, ()) if purchase is not None else (),
    )


def _managed(span: EntitledSpan) -> ManagedEntitlement:
    metered = span.metered
    keys = {"item": span.item_key, **({} if span.plan_key is None else {"plan": span.plan_key})}
    managed = ManagedEntitlement(
        feature_id=span.feature_id,
        feature_key=span.feature_key,
        type=span.type,
        subscription_id=span.subscription_id,
        item_id=span.item_id,
        keys=keys,
        active_from=span.start,
        active_to=span.end,
        time_zone=span.zone,
        follows=span.follows,
        resets_usage=span.resets_usage,
        config=span.config,
    )
    if metered is None:
        return managed
    return replace(
        managed,
        issue=metered.amount,
        issue_priority=metered.priority,
        soft_limit=metered.soft_limit,
        preserve_overage=metered.preserve_overage,
        usage_period=metered.usage_period,
        usage_period_anchor=metered.anchor,
        measure_usage_from=span.measured_from,
    )
