"""Add-ons in the admin: their versions, rate cards in words, the plans that offer them and who has bought them."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, number
from subscriptions.admin.plan import LATEST_SUBSCRIPTIONS, PLAN_TONES, PlanState
from subscriptions.models import AddOn, AddOnRateCard, PlanAddOn, SubscriptionAddOn
from subscriptions.price_words import discount_words, price_words, tier_words


@admin.register(AddOn)
class AddOnAdmin(ReadOnlyAdmin):
    list_display = ("name", "key", "version_number", "state", "currency", "instance_type", "cards", "effective")
    list_filter = (PlanState,)
    search_prefix = ("key", "name")
    search_within = ("name", "key")
    page_template = "backoffice/addon.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AddOn]:
        return super().get_queryset(request).annotate(card_count=Count("rate_cards"))

    @display(description="Version", ordering="version")
    def version_number(self, addon: AddOn) -> SafeString:
        return number(addon.version)

    @display(description="Status")
    def state(self, addon: AddOn) -> SafeString:
        status = addon.status_at(clock.now())
        return badge(status.label, PLAN_TONES[status])

    @display(description="Rate cards")
    def cards(self, addon: Any) -> SafeString:
        return number(addon.card_count)

    @display(description="Effective from", ordering="effective_from")
    def effective(self, addon: AddOn) -> SafeString:
        return moment(addon.effective_from)

    def page_context(self, request: HttpRequest, obj: AddOn) -> dict[str, Any]:
        purchases = SubscriptionAddOn.objects.filter(addon=obj)
        latest: list[Any] = list(
            purchases.select_related("subscription__customer")
            .prefetch_related("quantities")
            .order_by("-created_at", "-id")[:LATEST_SUBSCRIPTIONS]
        )
        now = clock.now()
        for purchase in latest:
            purchase.quantity_now = purchase.quantity_at(now)
        versions = AddOn.objects.filter(key=obj.key, deleted_at__isnull=True).order_by("-version")
        return {
            "addon": obj,
            "state": self.state(obj),
            "cards": cards_of(obj),
            "versions": [(version, self.state(version)) for version in versions],
            "offers": PlanAddOn.objects.filter(addon=obj).select_related("plan").order_by("plan__key", "plan__version"),
            "purchase_count": purchases.count(),
            "purchases": latest,
            "timeline": self.timeline(obj),
        }


def cards_of(addon: AddOn) -> list[Any]:
    """The rate cards with their prices in words. One query."""
    cards: list[Any] = list(
        AddOnRateCard.objects.filter(addon=addon).select_related("feature__meter").order_by("position")
    )
    for card in cards:
        card.words = price_words(card.price, addon.currency, card.billing_cadence)
        card.discount = discount_words(card.discounts)
        card.tiers = tier_words(card.price, addon.currency)
    return cards
