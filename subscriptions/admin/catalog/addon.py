"""Add-ons in the admin: their versions, rate cards in words, the plans that offer them and who has bought them."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.display import number
from core.admin.registry import page_of
from subscriptions.admin.catalog.versions import LATEST_SUBSCRIPTIONS, CatalogAdmin, in_words
from subscriptions.models import AddOn, AddOnRateCard, PlanAddOn, SubscriptionAddOn


@page_of(AddOn)
class AddOnAdmin(CatalogAdmin):
    list_display = ("name", "key", "version_number", "state", "currency", "instance_type", "cards", "effective")
    page_template = "backoffice/addon.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AddOn]:
        return super().get_queryset(request).annotate(card_count=Count("rate_cards"))

    @display(description="Rate cards")
    def cards(self, addon: Any) -> SafeString:
        return number(addon.card_count)

    def page_context(self, request: HttpRequest, obj: AddOn) -> dict[str, Any]:
        cards = AddOnRateCard.objects.filter(addon=obj).select_related("feature__meter").order_by("position")
        purchases = SubscriptionAddOn.objects.filter(addon=obj)
        latest: list[Any] = list(
            purchases.select_related("subscription__customer")
            .prefetch_related("quantities")
            .order_by("-created_at", "-id")[:LATEST_SUBSCRIPTIONS]
        )
        now = clock.now()
        for purchase in latest:
            purchase.quantity_now = purchase.quantity_at(now)
        return {
            "addon": obj,
            "state": self.state(obj),
            "cards": in_words(cards, obj.currency),
            "versions": self.versions_of(obj),
            "offers": PlanAddOn.objects.filter(addon=obj).select_related("plan").order_by("plan__key", "plan__version"),
            "purchase_count": purchases.count(),
            "purchases": latest,
            "timeline": self.timeline(obj),
        }
