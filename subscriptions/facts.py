"""Loads the facts of subscriptions for the pure schedule: a constant number of queries for any number of them."""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast

from core.jsontext import canonical_json
from core.periods import CADENCES, Cadence, parse_cadence
from subscriptions.models import CouponRedemption, ItemRevision, QuantityChange, QuantityReport, Subscription
from subscriptions.pricing import NO_DISCOUNTS, Discounts, Price, parse_discounts, parse_price
from subscriptions.schedule import AnchorShift, CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.facts import LoadedSubscription, QuantityAt, RevisionTerms


def calendar_of(subscription: Subscription) -> SubscriptionFacts:
    """The facts that its periods follow from, without items. No query."""
    return SubscriptionFacts(
        id=subscription.id,
        customer_id=subscription.customer_id,
        currency=subscription.currency,
        zone=subscription.time_zone,
        anchor=subscription.billing_anchor,
        cadence=_required_cadence(subscription.billing_cadence),
        start=subscription.active_from,
        end=subscription.active_to,
        items=(),
        shifts=tuple(_shift(shift) for shift in subscription.anchor_shifts),
        prorate=subscription.pro_rating_enabled,
    )


def load_subscriptions(subscriptions: Q) -> list[LoadedSubscription]:
    """The facts of every subscription that matches, in order of start. Four queries.

    BillingError when stored terms can't be read, of whichever subscription.
    """
    rows = list(
        Subscription.objects.filter(subscriptions)
        .order_by("active_from", "id")
        .values_list(
            "id",
            "customer_id",
            "currency",
            "time_zone",
            "billing_anchor",
            "billing_cadence",
            "active_from",
            "active_to",
            "anchor_shifts",
            "pro_rating_enabled",
            "reconcile_from",
            "next_billing_at",
        )
    )
    ids = [row[0] for row in rows]
    revisions = _revisions(ids)
    item_ids = [item_id for items in revisions.values() for item_id in items]
    quantities = _quantities(item_ids)
    coupons = _coupons(item_ids)
    return [_build(row, revisions.get(row[0], {}), quantities, coupons) for row in rows]


def _build(
    row: tuple[Any, ...],
    items: dict[uuid.UUID, list[tuple[Any, ...]]],
    quantities: dict[uuid.UUID, tuple[QuantityAt, ...]],
    coupons: dict[uuid.UUID, tuple[CouponFacts, ...]],
) -> LoadedSubscription:
    sub_id, customer_id, currency, zone, anchor, cadence, start, end, shifts, prorate, reconcile_from, next_at = row
    own_cadence = _required_cadence(cadence)
    terms: dict[uuid.UUID, RevisionTerms] = {}
    facts: list[ItemFacts] = []
    for item_id, revision_rows in items.items():
        revision_facts = []
        for revision in revision_rows:
            (_, _, key, number, rev_id, rev_start, rev_end, rev_cadence, name, description, feature_id, feature_key,
             price, discounts, tax_config) = revision  # fmt: skip
            revision_facts.append(
                RevisionFacts(
                    id=rev_id,
                    start=rev_start,
                    end=rev_end,
                    cadence=parse_cadence(rev_cadence),
                    price=_price(price) if price else None,
                    discounts=_discounts(discounts) if discounts else NO_DISCOUNTS,
                    name=name,
                    feature_id=feature_id,
                    feature_key=feature_key,
                )
            )
            terms[rev_id] = RevisionTerms(_canonical(price), _canonical(discounts), _canonical(tax_config), description)
        facts.append(
            ItemFacts(
                id=item_id,
                key=key,
                running_number=number,
                revisions=tuple(revision_facts),
                quantities=quantities.get(item_id, ()),
                coupons=coupons.get(item_id, ()),
            )
        )
    return LoadedSubscription(
        facts=SubscriptionFacts(
            id=sub_id,
            customer_id=customer_id,
            currency=currency,
            zone=zone,
            anchor=anchor,
            cadence=own_cadence,
            start=start,
            end=end,
            items=tuple(facts),
            shifts=tuple(_shift(shift) for shift in shifts),
            prorate=prorate,
        ),
        reconcile_from=reconcile_from,
        next_billing_at=next_at,
        terms=terms,
    )


def _revisions(subscription_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[uuid.UUID, list[tuple[Any, ...]]]]:
    """Revision rows by subscription and item, items by running number, revisions by time."""
    found: dict[uuid.UUID, dict[uuid.UUID, list[tuple[Any, ...]]]] = defaultdict(dict)
    rows = (
        ItemRevision.objects.filter(item__subscription_id__in=subscription_ids)
        .order_by("item__subscription_id", "item__running_number", "active_from")
        .values_list(
            "item__subscription_id",
            "item_id",
            "item__key",
            "item__running_number",
            "id",
            "active_from",
            "active_to",
            "billing_cadence",
            "name",
            "description",
            "feature_id",
            "feature_key",
            Cast("price", TextField()),
            Cast("discounts", TextField()),
            Cast("tax_config", TextField()),
        )
    )
    for row in rows:
        found[row[0]].setdefault(row[1], []).append(row)
    return found


def _quantities(item_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[QuantityAt, ...]]:
    """Quantities by item, in order of time; of two at one time the one recorded later counts."""
    found: dict[uuid.UUID, dict[datetime, Decimal]] = defaultdict(dict)
    rows = QuantityChange.objects.filter(item_id__in=item_ids).order_by("effective_at", "recorded_at", "id")
    for item_id, effective_at, quantity in rows.values_list("item_id", "effective_at", "quantity"):
        found[item_id][effective_at] = quantity
    return {item_id: tuple(QuantityAt(*pair) for pair in pairs.items()) for item_id, pairs in found.items()}


def _coupons(item_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[CouponFacts, ...]]:
    found: dict[uuid.UUID, list[CouponFacts]] = defaultdict(list)
    rows = CouponRedemption.objects.filter(item_id__in=item_ids).order_by("redeemed_at", "id")
    for item_id, code, percentage, amount, start, end in rows.values_list(
        "item_id", "coupon__code", "coupon__percentage", "coupon__amount", "effective_from", "effective_to"
    ):
        found[item_id].append(CouponFacts(code, percentage, amount, start, end))
    return {item_id: tuple(coupons) for item_id, coupons in found.items()}


def reports_of(item_ids: Iterable[uuid.UUID], *, since: datetime) -> dict[uuid.UUID, list[tuple[datetime, Decimal]]]:
    """What was reported in time for periods from `since` on: (period start, quantity) by item, the last one last."""
    found: dict[uuid.UUID, list[tuple[datetime, Decimal]]] = defaultdict(list)
    rows = QuantityReport.objects.filter(item_id__in=list(item_ids), period_start__gte=since, late=False)
    for item_id, period_start, quantity in rows.order_by("reported_at", "id").values_list(
        "item_id", "period_start", "quantity"
    ):
        found[item_id].append((period_start, quantity))
    return found


def _shift(wire: dict[str, str]) -> AnchorShift:
    return AnchorShift(
        boundary=datetime.fromisoformat(wire["from"]),
        anchor=datetime.fromisoformat(wire["anchor"]),
        at=datetime.fromisoformat(wire["at"]),
        cadence=_required_cadence(wire["cadence"]),
    )


def _required_cadence(text: str) -> Cadence:
    return CADENCES[text]


@lru_cache(maxsize=4096)
def _canonical(text: str | None) -> str | None:
    return None if text is None else canonical_json(json.loads(text))


# Thousands of subscriptions share a few price texts; parsed prices are immutable.
@lru_cache(maxsize=4096)
def _price(text: str) -> Price | None:
    return parse_price(json.loads(text, parse_float=Decimal), "price")


@lru_cache(maxsize=4096)
def _discounts(text: str) -> Discounts:
    return parse_discounts(json.loads(text, parse_float=Decimal), "discounts")
