"""`/events`: report usage, and look at what was reported."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pagination import whole_number
from core.rest.parsers import DecimalJSONParser
from core.rest.views import WireViewSet
from customers.selectors import owners_of
from entitlements.api.metering.event_filter import read_filter
from entitlements.api.metering.filters import EventFilterSet
from entitlements.api.metering.parsers import CloudEventBatchParser, CloudEventParser
from entitlements.api.metering.serializers import (
    EventSerializer,
    IngestedEventPageSerializer,
    IngestedEventSerializer,
    ReversalInputSerializer,
    ReversalSerializer,
)
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.list_events import Place, list_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.metering.selectors import events_for_display
from entitlements.models import UsageEvent

MAX_LISTED = 100
FILTER = (
    'JSON: `{"subject": {"$in": ["acme"]}, "time": {"$gte": "2026-03-01T00:00:00Z"}}`. `id`, `source`, `subject` and '
    "`type` take `$eq`, `$ne`, `$in`, `$nin`, `$like`, `$nlike`, `$ilike`, `$nilike` (`%` is any text, `_` any "
    "character), `$gt`, `$gte`, `$lt`, `$lte`, `$and` and `$or`; `time` and `ingestedAt` take the last six; "
    "`customerId` takes `$in`. All that is said has to hold."
)


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


class EventV2ViewSet(WireViewSet):
    """Usage events, the latest first, on pages that go on at `nextCursor`. Where no index leads to what is asked for, a
    page looks through 10,000 events: it may hold few or none, and the list goes on until there is no `nextCursor`."""

    required_scopes = {"GET": "usage:read"}
    queryset = UsageEvent.objects.none()  # for the schema alone
    serializer_class = IngestedEventPageSerializer
    pagination_class = None

    @extend_schema(
        operation_id="listEventsV2",
        parameters=[
            OpenApiParameter("cursor", str, description="The `nextCursor` of the page before."),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}),
            OpenApiParameter("clientId", str, description="The caller's own mark; it changes nothing."),
            OpenApiParameter("filter", str, description=FILTER),
        ],
        responses=IngestedEventPageSerializer,
    )
    def list(self, request: Request) -> Response:
        limit = whole_number(request, "limit", default=MAX_LISTED, maximum=MAX_LISTED)
        asked = read_filter(request.query_params.get("filter"))
        after = _place(request.query_params.get("cursor"))
        page = list_events(asked=asked, after=after, limit=limit)
        context = {"owners": owners_of({event.subject for event in page.events})}
        shown = {"items": page.events, "next_cursor": None if page.next is None else _cursor(page.next)}
        return Response(IngestedEventPageSerializer(shown, context=context).data)


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.time.isoformat()} {place.id}".encode()).decode()


def _place(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    try:
        time, _, event_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        place = Place(datetime.fromisoformat(time), UUID(event_id))
    except (binascii.Error, ValueError) as error:
        raise ValidationError({"cursor": ["Not a nextCursor of this list."]}) from error
    if place.time.tzinfo is None:
        raise ValidationError({"cursor": ["Not a nextCursor of this list."]})
    return place
