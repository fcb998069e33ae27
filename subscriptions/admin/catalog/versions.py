"""What plans and add-ons share in the admin: versions under one key, and rate cards with their prices in words."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, number
from core.admin.filters import ChoiceFilter
from subscriptions.catalog.price_words import discount_words, price_words, tier_words
from subscriptions.catalog.version_status import version_status, with_version_status
from subscriptions.choices import PlanStatus
from subscriptions.models.catalog import AbstractRateCard, CatalogVersion

PLAN_TONES = {
    PlanStatus.DRAFT: "grey",
    PlanStatus.SCHEDULED: "blue",
    PlanStatus.ACTIVE: "green",
    PlanStatus.ARCHIVED: "grey",
}
LATEST_SUBSCRIPTIONS = 10


class VersionState(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = (("draft", "Draft"), ("archived", "Archived"), ("all", "All versions"))
    default_label = "Active and drafts"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        versions = queryset.filter(deleted_at__isnull=True)
        if self.value() == "all":
            return versions
        not_archived = set(PlanStatus) - {PlanStatus.ARCHIVED}
        shown = {"draft": {PlanStatus.DRAFT}, "archived": {PlanStatus.ARCHIVED}}.get(self.value() or "", not_archived)
        return with_version_status(versions, sorted(shown), clock.now())


class CatalogAdmin(ReadOnlyAdmin):
    """Its list names versions with their state."""

    list_filter = (VersionState,)
    search_prefix = ("key", "name")
    search_within = ("name", "key")

    @display(description="Version", ordering="version")
    def version_number(self, version: CatalogVersion) -> SafeString:
        return number(version.version)

    @display(description="Status")
    def state(self, version: CatalogVersion) -> SafeString:
        status = version_status(version, clock.now())
        return badge(status.label, PLAN_TONES[status])

    @display(description="Effective from", ordering="effective_from")
    def effective(self, version: CatalogVersion) -> SafeString:
        return moment(version.effective_from)

    def versions_of(self, version: CatalogVersion) -> list[tuple[Any, SafeString]]:
        """All versions, deleted ones aside, under the same key, the newest first, each with its state. One query."""
        living = self.model._default_manager.filter(key=version.key, deleted_at__isnull=True).order_by("-version")
        return [(each, self.state(each)) for each in living]


def in_words(cards: Iterable[AbstractRateCard], currency: str) -> list[Any]:
    """These rate cards with price, discount and tiers in words, for templates."""
    shown: list[Any] = list(cards)
    for card in shown:
        card.words = price_words(card.price, currency, card.billing_cadence)
        card.discount = discount_words(card.discounts)
        card.tiers = tier_words(card.price, currency)
    return shown
