"""What is told of an entitlement: itself, its feature, subject and customer, and what is left, as REST shows them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet

from core.rest.wire_json import utc_text
from customers.api.serializers import CustomerSerializer
from customers.models import UsageSubject
from entitlements.access.burndown import Standing
from entitlements.access.selectors import entitlements_with_facts, with_managed
from entitlements.api.access.serializers import EntitlementV1Serializer
from entitlements.api.access.value_serializers import ValueSerializer
from entitlements.api.features.serializers import FeatureSerializer
from entitlements.models import Entitlement


def entitlements_to_tell() -> QuerySet[Entitlement]:
    """All entitlements with what burns them down and what is told of them."""
    current = UsageSubject.objects.filter(deleted_at=None).order_by("id")
    return entitlements_with_facts().prefetch_related(
        Prefetch("customer__usage_subjects", current, to_attr="current_subjects"), with_managed()
    )


def payload_of(entitlement: Entitlement, standing: Standing) -> dict[str, Any]:
    """The data of an event about a metered entitlement that stands so."""
    customer = entitlement.customer
    shown: Mapping[str, Any] = EntitlementV1Serializer(entitlement).data
    value = {
        "has_access": entitlement.soft_limit or standing.balance > 0,
        "balance": standing.balance,
        "usage": standing.usage,
        "overage": standing.overage,
        "total": standing.total,
    }
    return {
        "entitlement": dict(shown),
        "feature": dict(FeatureSerializer(entitlement.feature).data),
        # Subjects have no id of their own that is shown: their key is it.
        "subject": {
            "id": shown["subjectKey"],
            "key": shown["subjectKey"],
            "createdAt": utc_text(customer.created_at),
            "updatedAt": utc_text(customer.updated_at),
        },
        "customer": dict(CustomerSerializer(customer).data),
        "value": dict(ValueSerializer(value).data),
    }
