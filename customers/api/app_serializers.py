"""Billing apps on the wire: installed ones, and as profiles refer to them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.rest.fields import ObjectField, TextField, TextMapField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.choices import AppStatus, AppType
from customers.models import BillingApp

_ABOUT = {
    AppType.STRIPE: "Charges customers' default payment methods at Stripe.",
    AppType.BANK_TRANSFER: "Customers pay by bank transfer; staff record what arrives.",
    AppType.SANDBOX: "Pays at once, for trying things out.",
}


class AppSerializer(WireSerializer):
    """`stripeAccountId`, `livemode` and `maskedAPIKey` are of Stripe apps alone."""

    id = ULIDField()
    type = serializers.ChoiceField(choices=AppType.values)
    name = TextField()
    description = TextField(required=False)
    metadata = TextMapField()
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(required=False)
    status = serializers.ChoiceField(choices=AppStatus.values)
    listing = serializers.SerializerMethodField()
    stripe_account_id = TextField(source="stripe_account.account_id", required=False)
    livemode = serializers.BooleanField(source="stripe_account.livemode", required=False)
    masked_a_p_i_key = TextField(source="stripe_account.masked_api_key", required=False)

    @extend_schema_field(ObjectField())
    def get_listing(self, app: BillingApp) -> dict[str, Any]:
        kind = AppType(app.type)
        collects = {
            "type": "collectPayments",
            "key": f"{kind.value}_collect_payments",
            "name": "Collect payments",
            "description": _ABOUT[kind],
        }
        methods = ["with_api_key"] if kind is AppType.STRIPE else ["no_credentials_required"]
        return {
            "type": kind.value,
            "name": str(kind.label),
            "description": _ABOUT[kind],
            "capabilities": [collects],
            "installMethods": methods,
        }


class ProfileAppSerializer(AppSerializer):
    """Only the `id`, unless the apps are expanded."""

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for name, field in fields.items():
            field.required = name == "id"
        return fields


class ProfileAppsSerializer(WireSerializer):
    """One app does all three with us."""

    tax = ProfileAppSerializer()
    invoicing = ProfileAppSerializer()
    payment = ProfileAppSerializer()


def profile_apps(app: BillingApp, *, whole: bool) -> dict[str, Any]:
    """The app of a profile as `ProfileAppsSerializer` shows it."""
    shown = AppSerializer(app).data if whole else {"id": ULIDField().to_representation(app.id)}
    return {"tax": shown, "invoicing": shown, "payment": shown}
