"""What the endpoints of one customer's entitlements share, whether they address the customer or a subject of theirs."""

from django.db.models import Q, QuerySet
from rest_framework import status
from rest_framework.response import Response

from core import clock
from core.errors import field_error
from core.periods import Period, zone_info
from core.rest.serializers import WireSerializer
from core.rest.views import WireViewSet
from customers.models import Customer
from customers.selectors import find_customer
from entitlements.access.asked import Addressed
from entitlements.access.balances import burndowns_of
from entitlements.access.burndown import counted_from
from entitlements.access.chains import carried_grants
from entitlements.access.create_entitlement import create_entitlement
from entitlements.access.create_grant import create_grant
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.history import history_of
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import (
    entitlements_for_display,
    entitlements_with_facts,
    find_entitlement,
    grants_for_display,
)
from entitlements.access.values import AccessValue, value_of
from entitlements.api.access.inputs import ResetInputSerializer, entitlement_input, grant_input
from entitlements.api.access.serializers import GrantSerializer
from entitlements.api.access.value_serializers import (
    HistoryQuerySerializer,
    HistorySerializer,
    ValueQuerySerializer,
    shown_history,
)
from entitlements.errors import BadQuery
from entitlements.models import Entitlement, Grant

SCOPES = {"GET": "entitlements:read"} | dict.fromkeys(("POST", "PUT", "DELETE"), "entitlements:write")
ENTITLEMENT_ORDER = {"createdAt": "created_at", "updatedAt": "updated_at"}
GRANT_ORDER = {"id": "id", "createdAt": "created_at", "updatedAt": "updated_at"}


class CustomerAccessViewSet(WireViewSet):
    """Of one customer. An entitlement is addressed by its id, or by the key of a feature that it is to now."""

    required_scopes = SCOPES
    lookup_url_kwarg = "customerIdOrKey"
    entitlement_kwarg = "entitlementIdOrFeatureKey"
    addresses = Addressed.CUSTOMER
    input_serializer: type[WireSerializer]
    grant_input_serializer: type[WireSerializer]

    def customer(self) -> Customer:
        return find_customer(self.addressed)

    def entitlement(self) -> Entitlement:
        """The one that is addressed, with all its facts."""
        asked = self.kwargs[self.entitlement_kwarg]
        return find_entitlement(entitlements_with_facts(), self.customer(), asked, clock.now())

    def theirs(self) -> QuerySet[Entitlement]:
        if getattr(self, "swagger_fake_view", False):
            return Entitlement.objects.none()
        return entitlements_for_display().filter(customer=self.customer())

    def grants(self) -> QuerySet[Grant]:
        if getattr(self, "swagger_fake_view", False):
            return Grant.objects.none()
        entitlement = self.entitlement()
        carried = [grant.pk for grant in carried_grants(entitlement)]
        return grants_for_display().filter(Q(entitlement=entitlement) | Q(pk__in=carried))

    def present(self, entitlement: Entitlement, status: int = status.HTTP_200_OK) -> Response:
        return self.show(entitlements_for_display().get(pk=entitlement.pk), status=status)

    def create_one(self) -> Response:
        body = self.read_body(self.input_serializer)
        created = create_entitlement(customer=self.customer(), entitlement=entitlement_input(body))
        return self.present(created, status.HTTP_201_CREATED)

    def override_one(self) -> Response:
        replacement = entitlement_input(self.read_body(self.input_serializer))
        created = override_entitlement(entitlement=self.entitlement(), replacement=replacement)
        return self.present(created, status.HTTP_201_CREATED)

    def delete_one(self) -> Response:
        delete_entitlement(entitlement=self.entitlement())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def grant_one(self) -> Response:
        body = self.read_body(self.grant_input_serializer)
        grant = create_grant(entitlement=self.entitlement(), grant=grant_input(body))
        return self.show(grant, GrantSerializer, status=status.HTTP_201_CREATED)

    def reset_one(self) -> Response:
        body = self.read_body(ResetInputSerializer)
        reset_usage(
            entitlement=self.entitlement(),
            effective_at=body.get("effective_at"),
            retain_anchor=body["retain_anchor"],
            preserve_overage=body.get("preserve_overage"),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def value_of_one(self) -> AccessValue:
        moment = self.read_query(ValueQuerySerializer).get("time") or clock.now()
        return value_of(self.addresses, self.addressed, self.kwargs[self.entitlement_kwarg], moment)

    def history_of_one(self) -> Response:
        query = self.read_query(HistoryQuerySerializer)
        zone_info(query["window_time_zone"])
        entitlement = self.entitlement()
        [burndown] = burndowns_of([entitlement])
        # It goes back to the terms that these took the place of.
        line = burndown.timeline
        now = clock.now()
        last = now if entitlement.active_to is None else min(now, entitlement.active_to)
        if last < max(line.start, entitlement.active_from):
            raise BadQuery("The entitlement has not begun, and has no history yet.")
        if query.get("from", line.start) > query.get("to", last):
            raise field_error("to", "before_from", "Must not lie before from.")
        end = max(min(query.get("to", last), last), line.start)
        start = min(max(query.get("from", counted_from(line, end)), line.start), end)
        history = history_of(burndown, Period(start, end), query["window_size"], query["window_time_zone"])
        return self.show(shown_history(history), HistorySerializer)
