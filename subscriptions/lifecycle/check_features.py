"""Keeps each feature of a customer in one subscription at a time: refuses what would put it in two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError

from core.ids import to_text
from customers.models import Customer
from subscriptions.errors import FeatureAlreadySubscribed
from subscriptions.lifecycle.selectors import overlapping_features
from subscriptions.models import ItemRevision, Subscription

# The triggers' name for what they keep (`subscriptions.models.triggers`).
CONSTRAINT: Final = "one_subscription_per_feature"

FeatureSpan = tuple[str, datetime, datetime | None]

NOT_CHANGED: Final = (
    "nothing was changed. A feature is one subscription's at a time: end that subscription first, or delete it while "
    "it has not begun."
)


def check_features(
    customer: Customer, spans: Sequence[FeatureSpan], *, own: Subscription | None = None, remedy: str = ""
) -> None:
    """Refuse features (key, from, to) that another subscription than `own` gives the customer in that time, paused or
    not: FeatureAlreadySubscribed (Conflict) names it."""
    found = overlapping_features(customer_id=customer.id, spans=spans)
    refuse_taken(customer, [(key, owner) for key, owner in found if own is None or owner != own.id], remedy=remedy)


def check_longer(subscription: Subscription, *, since: datetime, until: datetime | None) -> None:
    """Refuse that `subscription`, which was to end at `since` (UTC), lasts to `until`, where another one has one of its
    features then."""
    revisions = ItemRevision.objects.filter(item__subscription=subscription, feature_key__isnull=False)
    spans: list[FeatureSpan] = []
    for revision in revisions:
        ends = [end for end in (revision.active_to, until) if end is not None]
        start, end = max(revision.active_from, since), min(ends) if ends else None
        if revision.feature_key and (end is None or start < end):
            spans.append((revision.feature_key, start, end))
    check_features(subscription.customer, spans, own=subscription, remedy=NOT_CHANGED)


def gained_spans(
    revisions: Iterable[ItemRevision], before: Mapping[UUID, tuple[datetime, datetime | None]]
) -> list[FeatureSpan]:
    """The time that revisions with a feature have and had not `before`, by id: what is new, longer or moved."""
    gained: list[FeatureSpan] = []
    for revision in revisions:
        key, start, end = revision.feature_key, revision.active_from, revision.active_to
        if not key or start == end:
            continue
        known = before.get(revision.pk)
        if known is None or known[0] == known[1]:
            gained.append((key, start, end))
            continue
        if start < known[0]:
            gained.append((key, start, known[0] if end is None else min(end, known[0])))
        if known[1] is not None and (end is None or end > known[1]):
            gained.append((key, max(start, known[1]), end))
    return gained


def refuse_taken(customer: Customer, taken: Sequence[tuple[str, UUID]], *, remedy: str = "") -> None:
    """FeatureAlreadySubscribed where there are features (key, subscription) that are taken."""
    if taken:
        subscription_id = taken[0][1]
        keys = sorted({key for key, owner in taken if owner == subscription_id})
        raise FeatureAlreadySubscribed(
            customer=customer.name, feature_keys=keys, subscription_id=to_text(subscription_id), remedy=remedy
        )


@contextmanager
def kept_by_database() -> Iterator[None]:
    """What the database itself refuses, where a check has missed it, is refused in the same words:
    FeatureAlreadySubscribed. Around the transaction or savepoint that the refusal rolls back: the customer's name is
    read after that."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is None or diagnosis.constraint_name != CONSTRAINT:
            raise
        feature_key, _, identity = (diagnosis.message_detail or "").rpartition(" ")
        names = Subscription.objects.filter(pk=UUID(identity)).values_list("customer__name", flat=True)
        raise FeatureAlreadySubscribed(
            customer=names.first() or "The customer",
            feature_keys=[feature_key],
            subscription_id=to_text(UUID(identity)),
            remedy=NOT_CHANGED,
        ) from error
