"""The subscription's page with what only the floors above know: its changes, with their money."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from core import clock
from core.admin.display import badge
from invoicing.admin.subscription_verbs import SUBSCRIPTION_VERBS, next_of, open_pause, successor_of
from subscriptions.admin.subscription import SubscriptionAdmin
from subscriptions.models import Subscription, SubscriptionAddOn

admin.site.unregister(Subscription)


@admin.register(Subscription)
class SubscriptionPage(SubscriptionAdmin):
    verbs = SUBSCRIPTION_VERBS

    def page_context(self, request: HttpRequest, obj: Subscription) -> dict[str, Any]:
        now = clock.now()
        pause = open_pause(obj)
        bought: list[Any] = list(
            SubscriptionAddOn.objects.filter(subscription=obj).select_related("addon").prefetch_related("quantities")
        )
        for purchase in bought:
            purchase.quantity_now = purchase.quantity_at(now)
            purchase.planned = [change for change in purchase.quantities.all() if change.effective_at > now]
        return super().page_context(request, obj) | {
            "pause": pause,
            "paused": badge("paused", "amber") if pause is not None and pause.start <= now else "",
            "successor": successor_of(obj),
            "followed_by": next_of(obj) if successor_of(obj) is None else None,
            "addons": bought,
        }
