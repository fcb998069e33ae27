"""`/notification/events`: list, get, send again."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.notifications.models import Event
from core.notifications.selectors import events_for_display
from core.notifications.services.resend_event import resend_event
from core.rest.lookups import find
from core.rest.views import WireViewSet
from entitlements.api.notices.channels import SCOPES
from entitlements.api.notices.filters import EventFilterSet
from entitlements.api.notices.rules import context_of
from entitlements.api.notices.serializers import NotificationEventSerializer, ResendSerializer


class EventViewSet(WireViewSet):
    """What was told, the newest first. `from` and `to` are both included."""

    required_scopes = SCOPES
    serializer_class = NotificationEventSerializer
    filterset_class = EventFilterSet
    order_by_fields = {"createdAt": "created_at", "id": "id"}
    default_order = "DESC"
    lookup_url_kwarg = "eventId"

    def get_queryset(self) -> QuerySet[Event]:
        return events_for_display()

    @extend_schema(operation_id="listNotificationEvents")
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        context = context_of([event.rule for event in page])
        return self.get_paginated_response(NotificationEventSerializer(page, many=True, context=context).data)

    @extend_schema(operation_id="getNotificationEvent")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        event = self.event()
        return Response(NotificationEventSerializer(event, context=context_of([event.rule])).data)

    @extend_schema(
        operation_id="resendNotificationEvent", request=ResendSerializer, responses={202: None}, filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def resend(self, request: Request, **kwargs: str) -> Response:
        """Send it once more under the same id, to all channels of its rule or to some."""
        event = self.event()
        body = self.read_body(ResendSerializer)
        resend_event(event=event, channel_ids=body.get("channels", ()))
        return Response(status=status.HTTP_202_ACCEPTED)

    def event(self) -> Event:
        return find(self.get_queryset(), self.addressed, what="event")
