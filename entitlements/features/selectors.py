"""Reads of features."""

import uuid
from collections.abc import Iterable

from django.db.models import QuerySet

from entitlements.models import Feature


def features_by_id(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Feature]:
    """These features with their meters, archived ones too: what was sold is billed."""
    return {feature.id: feature for feature in Feature.objects.select_related("meter").filter(pk__in=set(ids))}


def features_for_display() -> QuerySet[Feature]:
    """All features, archived ones too, with their meters."""
    return Feature.objects.select_related("meter")
