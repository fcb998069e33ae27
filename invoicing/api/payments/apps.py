"""`/apps`: the ways of collecting money; what they know of customers; and what Stripe tells them."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import field_error
from core.ids import to_text
from core.rest.fields import TextField, TextMapField, ULIDField
from core.rest.filters import WireFilterSet
from core.rest.lookups import find, missing
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.api.app_serializers import AppSerializer
from customers.choices import AppType
from customers.models import BillingApp, Customer, CustomerAppData
from customers.selectors import find_customer
from invoicing.payments.connect_stripe import install_stripe, update_stripe_keys
from invoicing.payments.handle_stripe_event import handle_stripe_event
from invoicing.payments.manage_app import install_app, uninstall_app, update_app
from invoicing.payments.set_app_data import AppData, remove_app_data, set_app_data, the_app_of_type
from invoicing.payments.set_stripe_customer import set_stripe_customer, stripe_app_of

MOST_APPS = 100


class AppUpdateSerializer(WireSerializer):
    """`secretAPIKey` and `webhookSecret` are for Stripe, kept encrypted and never shown again."""

    shown_only = frozenset({"status", "listing", "stripeAccountId", "livemode", "maskedAPIKey"})

    name = TextField(max_length=256)
    type = serializers.ChoiceField(choices=AppType.values)
    description = TextField(required=False, allow_blank=True)
    metadata = TextMapField(required=False)
    secret_a_p_i_key = TextField(required=False, max_length=255)
    webhook_secret = TextField(required=False, max_length=255)


class AppInputSerializer(AppUpdateSerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["type"] == AppType.STRIPE and "secret_a_p_i_key" not in attrs:
            raise ValidationError({"secretAPIKey": ["A Stripe app needs its secret key."]})
        return attrs


class StripeKeySerializer(WireSerializer):
    secret_a_p_i_key = TextField(max_length=255)


class StripeCustomerInputSerializer(WireSerializer):
    shown_only = frozenset({"type", "app"})

    stripe_customer_id = TextField(max_length=255)
    stripe_default_payment_method_id = TextField(required=False, max_length=255)


class CustomerAppDataSerializer(WireSerializer):
    """`id` is the app's; `stripeCustomerId` and the payment method are of Stripe apps alone."""

    id = ULIDField(source="app.id")
    type = serializers.ChoiceField(source="app.type", choices=AppType.values)
    app = AppSerializer()
    stripe_customer_id = serializers.SerializerMethodField()
    stripe_default_payment_method_id = serializers.SerializerMethodField()

    @extend_schema_field(TextField(required=False))
    def get_stripe_customer_id(self, row: CustomerAppData) -> str | None:
        return row.external_id if row.app.type == AppType.STRIPE else None

    @extend_schema_field(TextField(required=False))
    def get_stripe_default_payment_method_id(self, row: CustomerAppData) -> str | None:
        return row.data.get("defaultPaymentMethodId") if row.app.type == AppType.STRIPE else None


class CustomerAppItemSerializer(WireSerializer):
    """`id` is the app's; without it, the one of this type that bills the customer, or the only one, is meant."""

    shown_only = frozenset({"app"})

    id = ULIDField(required=False)
    type = serializers.ChoiceField(choices=AppType.values)
    stripe_customer_id = TextField(required=False, max_length=255)
    stripe_default_payment_method_id = TextField(required=False, max_length=255)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["type"] == AppType.STRIPE and "stripe_customer_id" not in attrs:
            raise ValidationError({"stripeCustomerId": ["Give the customer's id at Stripe."]})
        return attrs


class CustomerAppFilterSet(WireFilterSet):
    type = django_filters.MultipleChoiceFilter(field_name="app__type", choices=AppType.choices)


class WebhookAnswerSerializer(WireSerializer):
    namespace_id = ULIDField()
    app_id = ULIDField()
    customer_id = ULIDField(required=False)
    message = TextField(required=False)


class AppViewSet(WireViewSet):
    """A Stripe key is checked at Stripe before it is kept, and never shown again."""

    required_scopes = {
        "GET": "billing:read",
        "POST": "billing:write",
        "PUT": "billing:write",
        "DELETE": "billing:write",
    }
    serializer_class = AppSerializer
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[BillingApp]:
        return BillingApp.objects.filter(deleted_at=None).select_related("stripe_account").order_by("created_at", "id")

    @property
    def app(self) -> BillingApp:
        return find(self.get_queryset(), self.addressed, what="app")

    @extend_schema(operation_id="listApps")
    def list(self, request: Request) -> Response:
        return self.show_page(self.get_queryset())

    @extend_schema(operation_id="installApp", request=AppInputSerializer, responses={201: AppSerializer})
    def create(self, request: Request) -> Response:
        body = self.read_body(AppInputSerializer)
        kind, key, secret = body["type"], body.pop("secret_a_p_i_key", ""), body.pop("webhook_secret", "")
        if kind == AppType.STRIPE:
            del body["type"]
            made = install_stripe(**body, api_key=key, webhook_secret=secret)
        else:
            made = install_app(**body)
        return self.show(self.get_queryset().get(pk=made.pk), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getApp")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(self.app)

    @extend_schema(operation_id="updateApp", request=AppUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        app, body = self.app, self.read_body(AppUpdateSerializer)
        if body["type"] != app.type:
            raise ValidationError({"type": [f"The app is of type {app.type} for good."]})
        key, secret = body.get("secret_a_p_i_key"), body.get("webhook_secret")
        if app.type == AppType.STRIPE and (key is not None or secret is not None):
            update_stripe_keys(app=app, api_key=key, webhook_secret=secret)
        update_app(
            app=app, name=body["name"], description=body.get("description", ""), metadata=body.get("metadata", {})
        )
        return self.show(self.app)

    @extend_schema(operation_id="uninstallApp", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        uninstall_app(app=self.app)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="updateStripeAPIKey", request=StripeKeySerializer, responses={204: None})
    @action(detail=True, methods=["put"], url_path="stripe/api-key")
    def stripe_api_key(self, request: Request, **kwargs: str) -> Response:
        app = self.app
        if app.type != AppType.STRIPE:
            raise ValidationError({"secretAPIKey": [f"{app} is no Stripe app."]})
        key = self.read_body(StripeKeySerializer)["secret_a_p_i_key"]
        update_stripe_keys(app=app, api_key=key, webhook_secret=None)
        return Response(status=status.HTTP_204_NO_CONTENT)


class StripeWebhookViewSet(WireViewSet):
    """Stripe sends its events here. The signature, not an API key, says that they are Stripe's."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    required_scopes = {"POST": ""}
    serializer_class = WebhookAnswerSerializer
    lookup_url_kwarg = "id"

    @extend_schema(
        operation_id="appStripeWebhook", request=OpenApiTypes.OBJECT, responses={200: WebhookAnswerSerializer}
    )
    def receive(self, request: Request, **kwargs: str) -> Response:
        body = request._request.body  # the signature is over the bytes as they came
        app = find(BillingApp.objects.filter(type=AppType.STRIPE), self.addressed, what="app")
        event = handle_stripe_event(app=app, body=body, signature=request.headers.get("Stripe-Signature", ""))
        answer = {"namespaceId": to_text(app.pk), "appId": to_text(app.pk), "message": event.outcome}
        if event.payment is not None:
            answer["customerId"] = to_text(event.payment.invoice.customer_id)
        return Response(answer)


class CustomerAppViewSet(WireViewSet):
    """What the apps know of a customer."""

    required_scopes = {"GET": "customers:read", "PUT": "customers:write", "DELETE": "customers:write"}
    serializer_class = CustomerAppDataSerializer
    filterset_class = CustomerAppFilterSet
    lookup_url_kwarg = "customerIdOrKey"

    def get_queryset(self) -> QuerySet[CustomerAppData]:
        rows = CustomerAppData.objects.filter(app__deleted_at=None)
        return rows.select_related("app__stripe_account").order_by("id")

    @property
    def pagination_class(self) -> Any:  # type: ignore[override]
        """What is set is answered as a bare array, as the clients type it."""
        return None if getattr(self, "action", None) == "upsert" else super().pagination_class

    @property
    def rows(self) -> QuerySet[CustomerAppData]:
        return self.get_queryset().filter(customer=find_customer(self.addressed))

    @extend_schema(operation_id="listCustomerAppData")
    def list(self, request: Request, **kwargs: str) -> Response:
        return self.show_page(self.filter_queryset(self.rows))

    @extend_schema(
        operation_id="upsertCustomerAppData",
        request=CustomerAppItemSerializer(many=True),
        responses=CustomerAppDataSerializer(many=True),
        filters=False,
    )
    def upsert(self, request: Request, **kwargs: str) -> Response:
        """All of the items are kept, or none; Stripe is asked about each of its own."""
        customer = find_customer(self.addressed)
        serializer: serializers.ListSerializer[Any] = serializers.ListSerializer(
            child=CustomerAppItemSerializer(),
            data=request.data,
            max_length=MOST_APPS,
            context=self.get_serializer_context(),
        )
        serializer.is_valid(raise_exception=True)
        items = [_app_data(customer, body) for body in serializer.validated_data]
        kept = set_app_data(customer=customer, items=items)
        rows = {row.pk: row for row in self.get_queryset().filter(pk__in=[row.pk for row in kept])}
        return Response(CustomerAppDataSerializer([rows[row.pk] for row in kept], many=True).data)

    @extend_schema(operation_id="deleteCustomerAppData", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        customer = find_customer(self.addressed)
        app = find(BillingApp.objects.filter(deleted_at=None), self.kwargs["appId"], what="app")
        remove_app_data(customer=customer, app=app)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="getCustomerStripeAppData")
    def stripe(self, request: Request, **kwargs: str) -> Response:
        app = stripe_app_of(find_customer(self.addressed))
        row = self.rows.filter(app=app).exclude(external_id=None).first()
        if row is None:
            raise missing("Stripe customer", self.addressed)
        return self.show(row)

    @extend_schema(operation_id="upsertCustomerStripeAppData", request=StripeCustomerInputSerializer)
    def set_stripe(self, request: Request, **kwargs: str) -> Response:
        customer, body = find_customer(self.addressed), self.read_body(StripeCustomerInputSerializer)
        row = set_stripe_customer(
            customer=customer,
            app=stripe_app_of(customer),
            stripe_customer_id=body["stripe_customer_id"],
            payment_method=body.get("stripe_default_payment_method_id"),
        )
        return self.show(self.get_queryset().get(pk=row.pk))


def _app_data(customer: Customer, body: dict[str, Any]) -> AppData:
    app = BillingApp.objects.filter(pk=body["id"], deleted_at=None).first() if "id" in body else None
    if "id" in body and (app is None or app.type != body["type"]):
        wrong = f"There is no app of type {body['type']} with this id. Nothing was changed."
        raise field_error("id", "unknown_app", wrong)
    return AppData(
        app or the_app_of_type(customer, body["type"]),
        stripe_customer_id=body.get("stripe_customer_id"),
        payment_method=body.get("stripe_default_payment_method_id"),
    )
