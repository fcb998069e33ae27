"""Customer overrides on the wire: the pin, the customer's own fields, and what applies to them."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import to_text
from core.rest.fields import TextField, TimeField, ULIDField
from core.rest.serializers import WireSerializer
from customers.api.app_serializers import ProfileAppsSerializer, profile_apps
from customers.api.profile_serializers import party_of
from customers.api.serializers import CustomerSerializer
from customers.api.supplier_serializers import PartySerializer
from customers.api.workflow_serializers import WorkflowSerializer, show_workflow
from customers.effective_settings import Terms, override_values
from customers.models import Customer, CustomerOverride
from customers.services.workflow_input import WIRE_FIELDS


class OverrideInputSerializer(WireSerializer):
    """Without `billingProfileId` the customer follows the default. `workflow` is ours: all in which the customer
    differs from their profile; left out, what they have of their own stays, and `{}` clears it."""

    shown_only = frozenset({"customerId"})

    billing_profile_id = ULIDField(required=False)
    workflow = WorkflowSerializer(required=False)


class OverrideSerializer(WireSerializer):
    created_at = TimeField()
    updated_at = TimeField()
    billing_profile_id = ULIDField(required=False)
    customer_id = ULIDField()
    workflow = serializers.SerializerMethodField()

    @extend_schema_field(WorkflowSerializer(required=False))
    def get_workflow(self, override: CustomerOverride) -> Any:
        own = {name: value for name, value in override_values(override).items() if value is not None}
        return WorkflowSerializer(show_workflow(own)).data if own else None


class CustomerProfileSerializer(WireSerializer):
    """What applies to the customer now. `origins` is ours: where each field's value comes from."""

    supplier = PartySerializer()
    workflow = WorkflowSerializer()
    apps = ProfileAppsSerializer()
    origins = serializers.DictField(child=TextField())


class BilledBySerializer(WireSerializer):
    """A customer as they are billed. The context has `terms` by customer id, and `apps` and `customer` to expand."""

    customer_override = serializers.SerializerMethodField()
    base_billing_profile_id = serializers.SerializerMethodField()
    customer_profile = serializers.SerializerMethodField()
    customer = serializers.SerializerMethodField()

    @extend_schema_field(OverrideSerializer(required=False))
    def get_customer_override(self, customer: Customer) -> Any:
        override = getattr(customer, "billing_override", None)
        return None if override is None else OverrideSerializer(override).data

    @extend_schema_field(ULIDField())
    def get_base_billing_profile_id(self, customer: Customer) -> str:
        return to_text(self._terms(customer).profile.id)

    @extend_schema_field(CustomerProfileSerializer(required=False))
    def get_customer_profile(self, customer: Customer) -> dict[str, Any]:
        terms = self._terms(customer)
        return {
            "supplier": PartySerializer(party_of(terms.profile)).data,
            "workflow": WorkflowSerializer(show_workflow(terms.settings.values)).data,
            "apps": profile_apps(terms.profile.app, whole=self.context.get("apps", False)),
            "origins": _origins(terms.settings.origins),
        }

    @extend_schema_field(CustomerSerializer(required=False))
    def get_customer(self, customer: Customer) -> Any:
        return CustomerSerializer(customer).data if self.context.get("customer") else None

    def _terms(self, customer: Customer) -> Terms:
        return self.context["terms"][customer.pk]


def _origins(origins: Mapping[str, str | None]) -> dict[str, str]:
    """Origins by the wire name of each field, without its `workflow.` in front."""
    return {
        WIRE_FIELDS[name].removeprefix("workflow."): origin for name, origin in origins.items() if origin is not None
    }
