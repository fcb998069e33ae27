"""`/coupons`: create, list, get, replace, archive."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.fields import CurrencyField, DecimalStringField, NumberField, TextField, TimeField, ULIDField
from core.rest.filters import AnyOfFilter, BooleanFilter, WireFilterSet
from core.rest.lookups import find
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from subscriptions.catalog.archive_coupon import archive_coupon
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon, replace_coupon
from subscriptions.models import Coupon

_LARGEST = 2**31 - 1


class CouponInputSerializer(WireSerializer):
    """Either `percentage`, or `amount` with its `currency`. `periods` null means forever; left out, it is 1."""

    shown_only = frozenset({"redemptionCount", "archivedAt"})

    code = TextField(max_length=64)
    name = TextField(required=False, allow_blank=True, max_length=256)
    percentage = NumberField(required=False)
    amount = DecimalStringField(required=False)
    currency = CurrencyField(required=False)
    periods = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1200)
    item_keys = serializers.ListField(child=TextField(max_length=64), required=False, max_length=200)
    plan_keys = serializers.ListField(child=TextField(max_length=64), required=False, max_length=200)
    redemption_limit = serializers.IntegerField(required=False, min_value=1, max_value=_LARGEST)
    expires_at = TimeField(required=False)


class CouponSerializer(WireSerializer):
    """Expects `redemption_count` on the coupon."""

    keep_null = frozenset({"periods"})

    id = ULIDField()
    code = TextField()
    name = TextField()
    percentage = NumberField(required=False)
    amount = DecimalStringField(required=False)
    currency = serializers.SerializerMethodField()
    periods = serializers.IntegerField(allow_null=True)
    item_keys = serializers.ListField(child=TextField())
    plan_keys = serializers.ListField(child=TextField())
    redemption_limit = serializers.IntegerField(required=False)
    redemption_count = serializers.IntegerField()
    expires_at = TimeField(required=False)
    created_at = TimeField()
    updated_at = TimeField()
    archived_at = TimeField(required=False)

    def get_currency(self, coupon: Coupon) -> str | None:
        return coupon.currency or None


class CouponFilterSet(WireFilterSet):
    """Archived coupons show only where `includeArchived=true`."""

    code = AnyOfFilter(field_name="code")
    includeArchived = BooleanFilter(method="unchanged")

    def unchanged(self, queryset: QuerySet[Coupon], name: str, value: bool) -> QuerySet[Coupon]:
        return queryset

    def filter_queryset(self, queryset: QuerySet[Coupon]) -> QuerySet[Coupon]:
        queryset = super().filter_queryset(queryset)
        return queryset if self.form.cleaned_data.get("includeArchived") else queryset.filter(archived_at=None)


class CouponViewSet(WireViewSet):
    """Deleting archives a coupon that was redeemed: it goes on where it is in use, and can't be redeemed again."""

    required_scopes = {"GET": "catalog:read"} | dict.fromkeys(("POST", "PUT", "DELETE"), "catalog:write")
    serializer_class = CouponSerializer
    filterset_class = CouponFilterSet
    order_by_fields = {"code": "code", "createdAt": "created_at"}
    lookup_url_kwarg = "couponIdOrCode"

    def get_queryset(self) -> QuerySet[Coupon]:
        return Coupon.objects.annotate(redemption_count=Count("redemptions", filter=Q(redemptions__continues=None)))

    @extend_schema(operation_id="listCoupons")
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createCoupon", request=CouponInputSerializer, responses={201: CouponSerializer})
    def create(self, request: Request) -> Response:
        coupon = create_coupon(facts=_facts(self.read_body(CouponInputSerializer)))
        return self.show(self.get_queryset().get(pk=coupon.pk), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getCoupon")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.coupon())

    @extend_schema(operation_id="updateCoupon", request=CouponInputSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        replace_coupon(coupon=self.coupon(), facts=_facts(self.read_body(CouponInputSerializer)))
        return self.show(self.coupon())

    @extend_schema(operation_id="deleteCoupon", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        archive_coupon(coupon=self.coupon())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def coupon(self) -> Coupon:
        return find(self.get_queryset(), self.addressed, what="coupon", key="code")


def _facts(body: dict[str, Any]) -> CouponFacts:
    return CouponFacts(**body)
