"""Reads of features."""

import uuid
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from core.ids import from_text
from entitlements.models import Feature


def features_by_id(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Feature]:
    """These features with their meters, archived ones too: what was sold is billed."""
    return {feature.id: feature for feature in Feature.objects.select_related("meter").filter(pk__in=set(ids))}


def features_for_display() -> QuerySet[Feature]:
    """All features, archived ones too, with their meters."""
    return Feature.objects.select_related("meter")


def features_named(texts: Iterable[str]) -> dict[str, uuid.UUID]:
    """The ids of the features that these ids or keys name, by the text; a key is one in use. One query."""
    texts = set(texts)
    ids = {known: text for text in texts if (known := from_text(text)) is not None}
    rows = Feature.objects.filter(Q(pk__in=ids) | Q(key__in=texts, archived_at=None)).values_list("pk", "key")
    return {key: pk for pk, key in rows if key in texts} | {ids[pk]: pk for pk, _ in rows if pk in ids}
