"""`/subscriptions`: create, list, get, delete; and a customer's own."""

from datetime import datetime, timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import Forbidden, field_error
from core.money import to_wire
from core.rest.filters import AnyIdFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.views import WireViewSet
from customers.models import Customer
from customers.selectors import find_customer
from invoicing.api.subscription_changes.subscription_inputs import (
    CouponRedemptionInputSerializer,
    CouponRedemptionSerializer,
    ItemUpdateResultSerializer,
    ItemUpdateSerializer,
    SubscriptionCreateSerializer,
    item_update,
)
from invoicing.subscription_changes.delete_subscription import delete_subscription
from invoicing.subscription_changes.redeem_coupon import redeem_coupon
from invoicing.subscription_changes.start_subscription import next_cycle_start, start_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.api.catalog.plan_serializers import plan_terms
from subscriptions.api.lifecycle.subscription_serializers import SubscriptionExpandedSerializer, SubscriptionSerializer
from subscriptions.catalog.plan_selectors import plan_named
from subscriptions.choices import SubscriptionStatus
from subscriptions.lifecycle.selectors import subscriptions_expanded, subscriptions_shown
from subscriptions.lifecycle.states import with_status
from subscriptions.lifecycle.timing import IMMEDIATE, NEXT_BILLING_CYCLE
from subscriptions.models import CouponRedemption, Subscription

# A caller's "now" is a little old when it arrives.
BACKDATE_TOLERANCE = timedelta(minutes=5)
SCOPES = {"GET": "subscriptions:read"} | dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), "subscriptions:write")


class SubscriptionFilterSet(WireFilterSet):
    """`status` and `customerId` may be repeated: any of them."""

    status = django_filters.MultipleChoiceFilter(choices=SubscriptionStatus.choices, method="by_status")
    customerId = AnyIdFilter(field_name="customer_id")

    def by_status(self, queryset: QuerySet[Subscription], name: str, value: list[str]) -> QuerySet[Subscription]:
        return with_status(queryset, value, clock.now()) if value else queryset


class SubscriptionViewSet(WireViewSet):
    """A start in the past needs the scope `backdate` too."""

    required_scopes = SCOPES
    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilterSet
    order_by_fields = {"activeFrom": "active_from", "activeTo": "active_to", "createdAt": "created_at"}
    default_order = "DESC"
    lookup_url_kwarg = "subscriptionId"

    def get_queryset(self) -> QuerySet[Subscription]:
        return subscriptions_shown()

    @extend_schema(operation_id="listSubscriptions")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(
        operation_id="createSubscription",
        request=SubscriptionCreateSerializer,
        responses={201: SubscriptionSerializer},
    )
    def create(self, request: Request) -> Response:
        body = self.read_body(SubscriptionCreateSerializer)
        custom = body.get("custom_plan")
        subscription = start_subscription(
            **start_terms(request, body),
            name=body.get("name"),
            description=body.get("description", (custom or {}).get("description")),
            metadata=body.get("metadata", (custom or {}).get("metadata")),
            settlement_mode=body.get("settlement_mode"),
        )
        return self.show(subscription, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getSubscription", responses=SubscriptionExpandedSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        subscription = find(subscriptions_expanded(), self.addressed, what="subscription")
        return self.show(subscription, SubscriptionExpandedSerializer)

    @extend_schema(operation_id="deleteSubscription", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_subscription(subscription=find(self.get_queryset(), self.addressed, what="subscription"))
        return Response(status=status.HTTP_204_NO_CONTENT)


class CustomerSubscriptionViewSet(WireViewSet):
    """The subscriptions of one customer, the newest first."""

    required_scopes = SCOPES
    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilterSet
    order_by_fields = {"activeFrom": "active_from", "activeTo": "active_to"}
    default_order = "DESC"
    lookup_url_kwarg = "customerIdOrKey"

    def get_queryset(self) -> QuerySet[Subscription]:
        if getattr(self, "swagger_fake_view", False):
            return subscriptions_shown().none()
        return subscriptions_shown().filter(customer=find_customer(self.addressed))

    @extend_schema(operation_id="listCustomerSubscriptions")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))


class SubscriptionItemViewSet(WireViewSet):
    """Items are addressed by their running number, which never changes (billing rules 4)."""

    required_scopes = SCOPES
    serializer_class = ItemUpdateResultSerializer
    queryset = Subscription.objects.all()
    lookup_url_kwarg = "subscriptionId"

    @extend_schema(operation_id="updateSubscriptionItem", request=ItemUpdateSerializer)
    def update(self, request: Request, *, runningNumber: int, **kwargs: str) -> Response:  # noqa: N803 - the path's name
        """Set the quantity of a flat item, or report the usage of one without a meter; or preview either."""
        subscription = find(self.get_queryset(), self.addressed, what="subscription")
        update = item_update(self.read_body(ItemUpdateSerializer))
        check_backdate(request, update.effective_at)
        result = update_item(subscription_id=subscription.pk, running_number=runningNumber, update=update)
        shown = {
            "amount_due_now": to_wire(result.due_now),
            "amount_at_next_billing": to_wire(result.next_amount),
            "next_billing_date": result.next_billing_at,
            "currency": result.currency,
            "invoice_id": result.invoice_id,
            "late_usage": result.late or None,
            "outlook": result.outlook,
        }
        return self.show(shown)

    @extend_schema(
        operation_id="redeemSubscriptionItemCoupon",
        request=CouponRedemptionInputSerializer,
        responses={201: CouponRedemptionSerializer},
    )
    def redeem(self, request: Request, *, runningNumber: int, **kwargs: str) -> Response:  # noqa: N803 - as above
        """Redeem a coupon on the item, from now on. Its preview is `redeemCoupon` of `preview-change`."""
        subscription = find(self.get_queryset(), self.addressed, what="subscription")
        code = self.read_body(CouponRedemptionInputSerializer)["coupon_code"]
        redeem_coupon(subscription=subscription, running_number=runningNumber, code=code)
        redemption = CouponRedemption.objects.select_related("coupon", "item").get(
            coupon__code=code, item__subscription=subscription, item__running_number=runningNumber
        )
        return self.show(redemption, CouponRedemptionSerializer, status=status.HTTP_201_CREATED)


def start_terms(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """What decides over the money of a new subscription, from a validated body; a start in the past must be allowed."""
    customer = _customer_of(body)
    active_from = _start(customer, body.get("timing", IMMEDIATE))
    check_backdate(request, active_from)
    named, custom = body.get("plan"), body.get("custom_plan")
    return {
        "customer": customer,
        "plan": plan_named(**{"version": None, **named}, at=max(clock.now(), active_from)) if named else None,
        "custom_plan": plan_terms(custom) if custom else None,
        "active_from": active_from,
        "billing_anchor": body.get("billing_anchor"),
        "starting_phase": body.get("starting_phase"),
        "quantities": body.get("quantities"),
    }


def check_backdate(request: Request, moment: datetime | None) -> None:
    """Refuse a time in the past from a key without the scope for it."""
    key: Any = request.auth
    if moment is None or moment >= clock.now() - BACKDATE_TOLERANCE or key.allows("backdate"):
        return
    raise Forbidden(
        f"This API key lacks the scope backdate, so it can't date anything in the past ({moment:%Y-%m-%d %H:%M} UTC). "
        "Nothing was changed.",
        code="missing_scope",
    )


def _customer_of(body: dict[str, Any]) -> Customer:
    living = Customer.objects.filter(deleted_at=None)
    if "customer_id" in body:
        field, customer = "customerId", living.filter(pk=body["customer_id"]).first()
        if customer is not None and body.get("customer_key", customer.key) != customer.key:
            raise field_error("customerKey", "another_customer", "customerId and customerKey name two customers.")
    elif "customer_key" in body:
        field, customer = "customerKey", living.filter(key=body["customer_key"]).first()
    else:
        raise field_error("customerId", "required", "Give customerId or customerKey.")
    if customer is None:
        raise field_error(field, "customer_not_found", "There is no such customer.")
    return customer


def _start(customer: Customer, timing: datetime | str) -> datetime:
    if isinstance(timing, datetime):
        return timing
    return next_cycle_start(customer_id=customer.id) if timing == NEXT_BILLING_CYCLE else clock.now()
