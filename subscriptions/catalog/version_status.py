"""Owns the status of a version of a plan or an add-on at a time: a draft, scheduled, on sale, archived.

The status is nowhere stored: it follows from when a version is on sale. A draft has no beginning; a version that is
taken off sale before it begins is archived, and is never scheduled again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from django.db.models import Q, QuerySet

from subscriptions.choices import PlanStatus as Status
from subscriptions.models.catalog import CatalogVersion

V = TypeVar("V", bound=CatalogVersion)


def version_status(version: CatalogVersion, moment: datetime) -> Status:
    """The status of `version` at `moment` (UTC)."""
    if version.effective_from is None:
        return Status.DRAFT
    if version.effective_to is not None and version.effective_to <= moment:
        return Status.ARCHIVED
    return Status.SCHEDULED if version.effective_from > moment else Status.ACTIVE


def with_version_status(versions: QuerySet[V], statuses: Iterable[str], at: datetime) -> QuerySet[V]:
    """Those which have one of `statuses` at `at` (UTC): the same rule as `version_status`, in SQL."""
    published = Q(effective_from__isnull=False)
    still = Q(effective_to__isnull=True) | Q(effective_to__gt=at)
    conditions = {
        Status.DRAFT: ~published,
        Status.SCHEDULED: Q(effective_from__gt=at) & still,
        Status.ACTIVE: Q(effective_from__lte=at) & still,
        Status.ARCHIVED: published & Q(effective_to__lte=at),
    }
    wanted = Q(pk__in=())
    for status in statuses:
        wanted |= conditions[Status(status)]
    return versions.filter(wanted)
