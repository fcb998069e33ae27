"""`/subscriptions/preview` and `/subscriptions/{id}/preview-change`: what a change would bill, writing nothing."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.ids import to_text
from core.rest.lookups import find
from invoicing.api.subscription_changes.change_inputs import ChangePreviewSerializer, PreviewChangeSerializer, edits_of
from invoicing.api.subscription_changes.changes import SubscriptionChangeViewSet
from invoicing.api.subscription_changes.subscription_addons import addon_named
from invoicing.api.subscription_changes.subscription_inputs import SubscriptionCreateSerializer
from invoicing.api.subscription_changes.subscriptions import start_terms
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.preview_start import preview_start
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.models import SubscriptionAddOn


class SubscriptionPreviewViewSet(SubscriptionChangeViewSet):
    """The same services as the changes themselves, rolled back."""

    serializer_class = ChangePreviewSerializer

    @extend_schema(
        operation_id="previewSubscription", request=SubscriptionCreateSerializer, responses=ChangePreviewSerializer
    )
    def start(self, request: Request) -> Response:
        """What a new subscription would bill now and next."""
        terms = start_terms(request, self.read_body(SubscriptionCreateSerializer))
        return self.show(preview_start(**terms))

    @extend_schema(
        operation_id="previewSubscriptionChange", request=PreviewChangeSerializer, responses=ChangePreviewSerializer
    )
    def preview(self, request: Request, **kwargs: str) -> Response:
        """What a change, an edit, a cancelation, a migration, a pause, a resumption, an unscheduling, an add-on or a
        coupon would bill and give back, now and next."""
        return self.show(self._previewed(self.read_body(PreviewChangeSerializer)))

    def _previewed(self, body: dict[str, Any]) -> ChangeResult:
        if "migrate" in body:
            return self.migrated(body["migrate"], preview=True)
        if "plan" in body or "custom_plan" in body:
            return self.changed(body, preview=True)
        if "unschedule" in body:
            return unschedule_cancelation(subscription=self.subscription(), preview=True)
        if "redeem_coupon" in body:
            said = body["redeem_coupon"]
            return redeem_coupon(
                subscription=self.subscription(),
                running_number=said["running_number"],
                code=said["coupon_code"],
                preview=True,
            )
        if "buy_addon" in body or "change_addon" in body:
            return self._addon(body)
        timing = body.get("pause", body.get("resume", body))["timing"]
        subscription = self.subscription(timing)
        if "pause" in body:
            return pause_subscription(subscription=subscription, timing=timing, preview=True)
        if "resume" in body:
            return resume_subscription(subscription=subscription, timing=timing, preview=True)
        if "customizations" in body:
            edits = edits_of(body["customizations"])
            return edit_subscription(subscription=subscription, timing=timing, edits=edits, preview=True)
        return cancel_subscription(subscription=subscription, timing=timing, preview=True)

    def _addon(self, body: dict[str, Any]) -> ChangeResult:
        said = body.get("buy_addon") or body["change_addon"]
        subscription = self.subscription(said["timing"])
        if "buy_addon" in body:
            return add_addon(
                subscription=subscription,
                addon=addon_named(said["addon"]["id"]),
                quantity=said["quantity"],
                timing=said["timing"],
                preview=True,
            )
        purchases = SubscriptionAddOn.objects.filter(subscription=subscription)
        purchase = find(
            purchases.select_related("addon", "subscription__plan"),
            to_text(said["id"]),
            what="add-on of this subscription",
        )
        return change_addon_quantity(purchase=purchase, quantity=said["quantity"], timing=said["timing"], preview=True)
