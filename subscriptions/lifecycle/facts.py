"""Loads the facts of subscriptions for the pure schedule: a constant number of queries for any number of them."""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from core.jsontext import canonical_json
from core.many_ids import among
from core.periods import CADENCES, Cadence, parse_cadence
from subscriptions.models import CouponRedemption, ItemRevision, QuantityChange, QuantityReport, Subscription
from subscriptions.pricing import NO_DISCOUNTS, Discounts, Price, parse_discounts, parse_price
from subscriptions.schedule import AnchorShift, CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.facts import EarlierUse, LoadedSubscription, PriceSource, QuantityAt, RevisionTerms, Span

_OWN_TERMS = PriceSource("custom")


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


def pauses_of(subscription: Subscription) -> tuple[Span, ...]:
    """When it is paused, oldest first, also what is still to come; open where nobody resumed it yet. No query."""
    return tuple(_pause(pause) for pause in subscription.pauses)


def load_subscriptions(subscriptions: QuerySet[Subscription]) -> list[LoadedSubscription]:
    """The facts of these subscriptions, in order of start. Four queries.

    BillingError when stored terms can't be read, of whichever subscription.
    """
    rows = list(
        subscriptions.order_by("active_from", "id").values(
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
            "pauses",
            "reconcile_from",
            "next_billing_at",
            "plan__key",
            "plan__version",
        )
    )
    ids = [row["id"] for row in rows]
    revisions = _revisions(ids)
    item_ids = [item_id for items in revisions.values() for item_id in items]
    quantities = _quantities(item_ids)
    coupons = _coupons(item_ids)
    return [_build(row, revisions.get(row["id"], {}), quantities, coupons) for row in rows]


class _RevisionRow(NamedTuple):
    """A revision with its item, as `_revisions` reads it."""

    subscription_id: uuid.UUID
    item_id: uuid.UUID
    key: str
    running_number: int
    earlier_use: list[dict[str, str]]
    continued_at: datetime | None
    fee_charged_before: bool
    splits: list[datetime]
    progressive_splits: list[datetime]
    addon_key: str | None
    addon_version: int | None
    id: uuid.UUID
    start: datetime
    end: datetime | None
    cadence: str | None
    name: str
    description: str | None
    feature_id: uuid.UUID | None
    feature_key: str | None
    price: str | None
    discounts: str | None
    tax_config: str | None
    is_edited: bool


def _build(
    row: Mapping[str, Any],
    items: dict[uuid.UUID, list[_RevisionRow]],
    quantities: dict[uuid.UUID, tuple[QuantityAt, ...]],
    coupons: dict[uuid.UUID, tuple[CouponFacts, ...]],
) -> LoadedSubscription:
    facts = tuple(
        ItemFacts(
            id=item_id,
            key=revisions[0].key,
            running_number=revisions[0].running_number,
            revisions=tuple(_revision_facts(revision) for revision in revisions),
            quantities=quantities.get(item_id, ()),
            coupons=coupons.get(item_id, ()),
            earlier=tuple(_earlier_use(use) for use in revisions[0].earlier_use),
            continued_at=revisions[0].continued_at,
            fee_charged_before=revisions[0].fee_charged_before,
            splits=tuple(revisions[0].splits),
            progressive_splits=tuple(revisions[0].progressive_splits),
        )
        for item_id, revisions in items.items()
    )
    return LoadedSubscription(
        facts=SubscriptionFacts(
            id=row["id"],
            customer_id=row["customer_id"],
            currency=row["currency"],
            zone=row["time_zone"],
            anchor=row["billing_anchor"],
            cadence=_required_cadence(row["billing_cadence"]),
            start=row["active_from"],
            end=row["active_to"],
            items=facts,
            shifts=tuple(_shift(shift) for shift in row["anchor_shifts"]),
            prorate=row["pro_rating_enabled"],
            pauses=tuple(_pause(pause) for pause in row["pauses"]),
        ),
        reconcile_from=row["reconcile_from"],
        next_billing_at=row["next_billing_at"],
        terms={
            revision.id: RevisionTerms(
                _canonical(revision.price),
                _canonical(revision.discounts),
                _canonical(revision.tax_config),
                revision.description,
                _price_source_of(revision, row["plan__key"], row["plan__version"]),
            )
            for revisions in items.values()
            for revision in revisions
        },
    )


def _revision_facts(row: _RevisionRow) -> RevisionFacts:
    return RevisionFacts(
        id=row.id,
        start=row.start,
        end=row.end,
        cadence=parse_cadence(row.cadence),
        price=_price(row.price) if row.price else None,
        discounts=_discounts(row.discounts) if row.discounts else NO_DISCOUNTS,
        name=row.name,
        feature_id=row.feature_id,
        feature_key=row.feature_key,
    )


def _revisions(subscription_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[uuid.UUID, list[_RevisionRow]]]:
    """Revision rows by subscription and item, items by running number, revisions by time."""
    found: dict[uuid.UUID, dict[uuid.UUID, list[_RevisionRow]]] = defaultdict(dict)
    rows = (
        among(ItemRevision.objects.all(), "item__subscription_id", subscription_ids)
        .order_by("item__subscription_id", "item__running_number", "active_from")
        .values_list(
            "item__subscription_id",
            "item_id",
            "item__key",
            "item__running_number",
            "item__earlier_use",
            "item__continued_at",
            "item__fee_charged_before",
            "item__usage_splits",
            "item__progressive_splits",
            "item__purchase__addon__key",
            "item__purchase__addon__version",
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
            "is_edited",
        )
    )
    for values in rows:
        row = _RevisionRow(*values)
        found[row.subscription_id].setdefault(row.item_id, []).append(row)
    return found


def _quantities(item_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[QuantityAt, ...]]:
    """Quantities by item, in order of time; of two at one time the one recorded later counts."""
    found: dict[uuid.UUID, dict[datetime, Decimal]] = defaultdict(dict)
    rows = among(QuantityChange.objects.order_by("effective_at", "recorded_at", "id"), "item_id", item_ids)
    for item_id, effective_at, quantity in rows.values_list("item_id", "effective_at", "quantity"):
        found[item_id][effective_at] = quantity
    return {item_id: tuple(QuantityAt(*pair) for pair in pairs.items()) for item_id, pairs in found.items()}


def _coupons(item_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[CouponFacts, ...]]:
    found: dict[uuid.UUID, list[CouponFacts]] = defaultdict(list)
    rows = among(CouponRedemption.objects.order_by("redeemed_at", "id"), "item_id", item_ids)
    known = rows.values_list(
        "item_id",
        "coupon__code",
        "coupon__percentage",
        "coupon__amount",
        "effective_from",
        "effective_to",
        "continued_by__id",
        "id",
        "continues_id",
        "untouched",
        "coupon__periods",
        "redeemed_at",
    )
    for item_id, code, percentage, amount, start, end, next_id, own_id, earlier_id, wire, periods, redeemed_at in known:
        # A continuation began within the rhythm.
        held_at = None if periods is None else start if earlier_id else redeemed_at
        carried_on, untouched = next_id is not None, untouched_from_json(wire)
        found[item_id].append(
            CouponFacts(code, percentage, amount, start, end, carried_on, own_id, earlier_id, untouched, held_at)
        )
    return {item_id: tuple(coupons) for item_id, coupons in found.items()}


class Report(NamedTuple):
    """A quantity that was reported for the period that starts at `period_start`, in UTC."""

    period_start: datetime
    quantity: Decimal
    reported_at: datetime


def reports_of(item_ids: Iterable[uuid.UUID], *, since: datetime) -> dict[uuid.UUID, list[Report]]:
    """What was reported in time for periods from `since` on, by item, the last one last."""
    found: dict[uuid.UUID, list[Report]] = defaultdict(list)
    rows = QuantityReport.objects.filter(item_id__in=list(item_ids), period_start__gte=since, late=False)
    for item_id, period_start, quantity, reported_at in rows.order_by("reported_at", "id").values_list(
        "item_id", "period_start", "quantity", "reported_at"
    ):
        found[item_id].append(Report(period_start, quantity, reported_at))
    return found


def _shift(wire: dict[str, str]) -> AnchorShift:
    return AnchorShift(
        boundary=datetime.fromisoformat(wire["from"]),
        anchor=datetime.fromisoformat(wire["anchor"]),
        at=datetime.fromisoformat(wire["at"]),
        cadence=_required_cadence(wire["cadence"]),
    )


def _pause(wire: dict[str, str | None]) -> Span:
    start, end = wire["from"], wire["to"]
    assert start is not None
    return Span(datetime.fromisoformat(start), None if end is None else datetime.fromisoformat(end))


def untouched_from_json(wire: list[dict[str, str]]) -> tuple[Span, ...]:
    """As `CouponRedemption.untouched` stores it."""
    return tuple(Span(datetime.fromisoformat(span["from"]), datetime.fromisoformat(span["to"])) for span in wire)


def untouched_to_json(spans: Iterable[Span]) -> list[dict[str, str]]:
    """For `CouponRedemption.untouched`; the spans are finite."""
    return [{"from": span.start.isoformat(), "to": span.end.isoformat()} for span in spans if span.end is not None]


def _earlier_use(wire: dict[str, str]) -> EarlierUse:
    return EarlierUse(uuid.UUID(wire["item"]), datetime.fromisoformat(wire["from"]), datetime.fromisoformat(wire["to"]))


def _required_cadence(text: str) -> Cadence:
    return CADENCES[text]


@lru_cache(maxsize=4096)
def _canonical(text: str | None) -> str | None:
    return None if text is None else canonical_json(json.loads(text))


def _price_source_of(revision: _RevisionRow, plan_key: str | None, plan_version: int | None) -> PriceSource:
    if revision.is_edited:
        return _OWN_TERMS
    if revision.addon_key is not None:
        return PriceSource("addon", revision.addon_key, revision.addon_version)
    return _OWN_TERMS if plan_key is None else PriceSource("plan", plan_key, plan_version)


# Thousands of subscriptions share a few price texts; parsed prices are immutable.
@lru_cache(maxsize=4096)
def _price(text: str) -> Price | None:
    return parse_price(json.loads(text, parse_float=Decimal), "price")


@lru_cache(maxsize=4096)
def _discounts(text: str) -> Discounts:
    return parse_discounts(json.loads(text, parse_float=Decimal), "discounts")
