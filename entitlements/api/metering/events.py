"""`/events`: report usage, and look at what was reported."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pagination import whole_number
from core.rest.parsers import DecimalJSONParser
from core.rest.views import WireViewSet
from customers.selectors import owners_of
from entitlements.api.metering.filters import EventFilterSet
from entitlements.api.metering.parsers import CloudEventBatchParser, CloudEventParser
from entitlements.api.metering.serializers import (
    EventSerializer,
    IngestedEventSerializer,
    ReversalInputSerializer,
    ReversalSerializer,
)
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.metering.selectors import events_for_display
from entitlements.models import UsageEvent

MAX_LISTED = 100


class EventViewSet(WireViewSet):
    """Usage events as CloudEvents. One that was reported before, by source and id, is not counted again."""

    required_scopes = {"GET": "usage:read", "POST": "usage:write"}
    parser_classes = [DecimalJSONParser, CloudEventParser, CloudEventBatchParser]
    serializer_class = IngestedEventSerializer
    filterset_class = EventFilterSet
    pagination_class = None

    def get_queryset(self) -> QuerySet[UsageEvent]:
        return events_for_display()

    @extend_schema(
        operation_id="listEvents",
        parameters=[
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}),
            OpenApiParameter("clientId", str, description="The caller's own mark; it changes nothing."),
        ],
        responses=IngestedEventSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        limit = whole_number(request, "limit", default=MAX_LISTED, maximum=MAX_LISTED)
        events = list(self.filter_queryset(self.get_queryset())[:limit])
        context = {"owners": owners_of({event.subject for event in events})}
        return Response(IngestedEventSerializer(events, many=True, context=context).data)

    @extend_schema(
        operation_id="ingestEvents",
        request={
            "application/cloudevents+json": EventSerializer,
            "application/cloudevents-batch+json": EventSerializer(many=True),
            "application/json": EventSerializer(many=True),
        },
        responses={204: None},
    )
    def create(self, request: Request) -> Response:
        """All of a batch is stored, or nothing of it."""
        body = request.data
        if isinstance(body, list):
            ingest_events(events=body)
        else:
            ingest_events(events=[body], single=True)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="reverseEvent", request=ReversalInputSerializer, responses={201: ReversalSerializer}, filters=False
    )
    @action(detail=False, methods=["post"], url_path="reverse")
    def reverse(self, request: Request) -> Response:
        """The event counts no more, wherever it isn't billed yet; what is billed stays."""
        body = self.read_body(ReversalInputSerializer)
        reversal = reverse_event(source=body["source"], event_id=body["id"], reason=body["reason"])
        return self.show(reversal, ReversalSerializer, status=status.HTTP_201_CREATED)
