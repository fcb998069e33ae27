"""`/subscriptions/{id}/addons`: buy add-ons, see them, change how many there are."""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import field_error
from core.ids import to_text
from core.rest.fields import KeyField, TextField, TextMapField, TimeField, ULIDField
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from invoicing.api.subscription_changes.subscription_inputs import TimingField
from invoicing.api.subscription_changes.subscriptions import SCOPES, check_backdate
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from subscriptions.api.catalog.plan_serializers import RateCardSerializer, rate_card_shown
from subscriptions.catalog.addon_selectors import purchases_for_display
from subscriptions.choices import InstanceType
from subscriptions.lifecycle.describe_purchase import describe_purchase
from subscriptions.lifecycle.selectors import subscriptions_shown
from subscriptions.lifecycle.timing import IMMEDIATE
from subscriptions.models import AddOn, Subscription, SubscriptionAddOn

_LARGEST = 2**31 - 1


class AddOnIdSerializer(WireSerializer):
    id = ULIDField()


class SubscriptionAddOnUpdateSerializer(WireSerializer):
    shown_only = frozenset({"addon", "activeFrom", "activeTo", "quantityAt", "timeline", "subscriptionId", "rateCards"})

    name = TextField(required=False, max_length=256)
    description = TextField(required=False, allow_blank=True, max_length=1024)
    metadata = TextMapField(required=False)
    quantity = serializers.IntegerField(required=False, min_value=0, max_value=_LARGEST)
    timing = TimingField(required=False)


class SubscriptionAddOnCreateSerializer(SubscriptionAddOnUpdateSerializer):
    name = TextField(max_length=256)
    quantity = serializers.IntegerField(min_value=0, max_value=_LARGEST)
    timing = TimingField()
    addon = AddOnIdSerializer()


class AddOnReferenceSerializer(WireSerializer):
    id = ULIDField()
    key = KeyField()
    version = serializers.IntegerField()
    instance_type = serializers.ChoiceField(choices=InstanceType.values)


class TimelineSegmentSerializer(WireSerializer):
    active_from = TimeField()
    active_to = TimeField(required=False)
    quantity = serializers.IntegerField()


class AddOnRateCardShownSerializer(WireSerializer):
    rate_card = RateCardSerializer()
    affected_subscription_item_ids = serializers.ListField(child=ULIDField())


class SubscriptionAddOnSerializer(WireSerializer):
    """Expects add-on, rate cards, quantities and items: see `purchases_for_display`."""

    id = ULIDField()
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    active_from = serializers.SerializerMethodField()
    active_to = serializers.SerializerMethodField()
    addon = AddOnReferenceSerializer()
    quantity_at = serializers.SerializerMethodField()
    quantity = serializers.SerializerMethodField()
    timeline = serializers.SerializerMethodField()
    subscription_id = ULIDField()
    rate_cards = serializers.SerializerMethodField()

    @extend_schema_field(TimeField())
    def get_active_from(self, purchase: SubscriptionAddOn) -> str:
        return TimeField().to_representation(purchase.quantities.all()[0].effective_at)

    @extend_schema_field(TimeField(required=False))
    def get_active_to(self, purchase: SubscriptionAddOn) -> str | None:
        """When it ends for good, as far as is known: by its quantity, or with its subscription."""
        last = list(purchase.quantities.all())[-1]
        end = last.effective_at if not last.quantity else purchase.subscription.active_to
        return TimeField().to_representation(end) if end is not None else None

    @extend_schema_field(TimeField())
    def get_quantity_at(self, purchase: SubscriptionAddOn) -> str:
        return TimeField().to_representation(clock.now())

    @extend_schema_field(serializers.IntegerField())
    def get_quantity(self, purchase: SubscriptionAddOn) -> int:
        return int(purchase.quantity_at(clock.now()))

    @extend_schema_field(TimelineSegmentSerializer(many=True))
    def get_timeline(self, purchase: SubscriptionAddOn) -> Any:
        changes = list(purchase.quantities.all())
        ends = [change.effective_at for change in changes[1:]] + [purchase.subscription.active_to]
        segments = [
            {"active_from": change.effective_at, "active_to": end, "quantity": int(change.quantity)}
            for change, end in zip(changes, ends, strict=True)
        ]
        return TimelineSegmentSerializer(segments, many=True).data

    @extend_schema_field(AddOnRateCardShownSerializer(many=True))
    def get_rate_cards(self, purchase: SubscriptionAddOn) -> list[dict[str, Any]]:
        revisions = {item.key: [to_text(row.pk) for row in item.revisions.all()] for item in purchase.items.all()}
        return [
            {"rateCard": rate_card_shown(card), "affectedSubscriptionItemIds": revisions.get(card.key, [])}
            for card in purchase.addon.rate_cards.all()
        ]


class SubscriptionAddOnViewSet(WireViewSet):
    """What counts from now on is billed at once; a moment in the past needs the scope `backdate`."""

    required_scopes = SCOPES
    serializer_class = SubscriptionAddOnSerializer
    pagination_class = None
    lookup_url_kwarg = "subscriptionAddonId"

    def get_queryset(self) -> QuerySet[SubscriptionAddOn]:
        purchases = purchases_for_display().order_by("created_at", "id")
        if getattr(self, "swagger_fake_view", False):
            return purchases.none()
        return purchases.filter(subscription=self.subscription())

    @extend_schema(operation_id="listSubscriptionAddons", filters=False)
    def list(self, request: Request, **kwargs: str) -> Response:
        return Response(SubscriptionAddOnSerializer(self.get_queryset(), many=True).data)

    @extend_schema(
        operation_id="createSubscriptionAddon",
        request=SubscriptionAddOnCreateSerializer,
        responses={201: SubscriptionAddOnSerializer},
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        subscription = self.subscription()
        body = self.read_body(SubscriptionAddOnCreateSerializer)
        timing = self._timing(body)
        addon = addon_named(body["addon"]["id"])
        add_addon(
            subscription=subscription,
            addon=addon,
            quantity=body["quantity"],
            timing=timing,
            name=body["name"],
            description=body.get("description"),
            metadata=body.get("metadata"),
        )
        return self.show(self.get_queryset().get(addon=addon), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getSubscriptionAddon")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.purchase())

    @extend_schema(operation_id="updateSubscriptionAddon", request=SubscriptionAddOnUpdateSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        purchase = self.purchase()
        body = self.read_body(SubscriptionAddOnUpdateSerializer)
        timing = self._timing(body)
        if "quantity" in body:
            change_addon_quantity(purchase=purchase, quantity=body["quantity"], timing=timing)
        elif "timing" in body:
            raise field_error("quantity", "required", "timing says when the quantity changes: give quantity, too.")
        said = {name: body[name] for name in ("name", "description", "metadata") if name in body}
        if said:
            describe_purchase(purchase=purchase, **said)
        return self.show(self.get_queryset().get(pk=purchase.pk))

    def subscription(self) -> Subscription:
        return find(
            subscriptions_shown().select_related("customer"), self.kwargs["subscriptionId"], what="subscription"
        )

    def purchase(self) -> SubscriptionAddOn:
        return find(self.get_queryset(), self.addressed, what="add-on of this subscription")

    def _timing(self, body: dict[str, Any]) -> datetime | str:
        timing: datetime | str = body.get("timing", IMMEDIATE)
        check_backdate(self.request, timing if isinstance(timing, datetime) else None)
        return timing


def addon_named(addon_id: uuid.UUID) -> AddOn:
    """The add-on with this id. InvalidInput where there is none."""
    addon = AddOn.objects.filter(pk=addon_id, deleted_at=None).first()
    if addon is None:
        raise field_error("addon.id", "addon_not_found", "There is no such add-on.")
    return addon
