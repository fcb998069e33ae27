"""`/customers` as seen from here: with their subscriptions, and with the checks that need to know of invoices."""

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.ids import to_text
from core.rest.fields import ULIDField
from customers.api.filters import CustomerFilterSet
from customers.api.serializers import CustomerSerializer
from customers.api.views import CustomerViewSet
from customers.models import Customer
from customers.services.customer_input import CustomerInput
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.customer_guards.update_customer import update_customer
from subscriptions.api.lifecycle.subscription_serializers import SubscriptionSerializer
from subscriptions.choices import SubscriptionStatus
from subscriptions.lifecycle.selectors import subscriptions_shown
from subscriptions.lifecycle.states import with_status
from subscriptions.models import Subscription

_RUNNING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED)
_EXPAND = OpenApiParameter("expand", {"type": "array", "items": {"type": "string", "enum": ["subscriptions"]}})


class BilledCustomerFilterSet(CustomerFilterSet):
    """`planKey` keeps those with a running subscription to a plan of this key."""

    planKey = django_filters.CharFilter(method="by_plan")

    def by_plan(self, queryset: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        running = with_status(Subscription.objects.all(), _RUNNING, clock.now())
        return queryset.filter(Exists(running.filter(customer=OuterRef("pk"), plan__key=value)))


class BilledCustomerSerializer(CustomerSerializer):
    """`currentSubscriptionId` is the running subscription that started last."""

    current_subscription_id = serializers.SerializerMethodField()
    subscriptions = serializers.SerializerMethodField()

    @extend_schema_field(ULIDField(required=False))
    def get_current_subscription_id(self, customer: Any) -> str | None:
        return to_text(customer.current_subscription_id) if customer.current_subscription_id else None

    @extend_schema_field(SubscriptionSerializer(many=True, required=False))
    def get_subscriptions(self, customer: Any) -> Any:
        """Only where `expand=subscriptions` asks for them."""
        if not hasattr(customer, "shown_subscriptions"):
            return None
        return SubscriptionSerializer(customer.shown_subscriptions, many=True).data


class BilledCustomerViewSet(CustomerViewSet):
    """A deleted customer is shown by its id, with `deletedAt`; its key is free for another."""

    serializer_class = BilledCustomerSerializer
    filterset_class = BilledCustomerFilterSet

    def get_queryset(self) -> QuerySet[Customer]:
        running = with_status(Subscription.objects.all(), _RUNNING, clock.now()).filter(customer=OuterRef("pk"))
        latest = running.order_by("-active_from", "-id").values("id")[:1]
        queryset = super().get_queryset().annotate(current_subscription_id=Subquery(latest))
        wanted = set(self.request.query_params.getlist("expand")) if self.request.method == "GET" else set()
        if wanted:
            shown = subscriptions_shown().order_by("-active_from", "-id")
            queryset = queryset.prefetch_related(Prefetch("subscriptions", shown, to_attr="shown_subscriptions"))
        return queryset

    @extend_schema(operation_id="listCustomers", parameters=[_EXPAND])
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(operation_id="getCustomer", parameters=[_EXPAND])
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return super().retrieve(request, **kwargs)

    def replace(self, customer: Customer, replacement: CustomerInput) -> Customer:
        return update_customer(customer=customer, replacement=replacement)

    def remove(self, customer: Customer) -> None:
        delete_customer(customer=customer)
