"""`/meters`: create, list, get, update, delete, and what they measured."""

from typing import Any

from django.db.models import Q
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.ids import to_text
from core.periods import zone_info
from core.rest.fields import ULID_PATTERN
from core.rest.filters import deep_object
from core.rest.lookups import find
from core.rest.pagination import BareArrayPagination
from core.rest.renderers import CSVRenderer, WireJSONRenderer
from core.rest.views import WireViewSet
from entitlements.api.metering.filters import MeterFilterSet
from entitlements.api.metering.serializers import (
    MeterCreateSerializer,
    MeterQueryResultSerializer,
    MeterQuerySerializer,
    MeterSerializer,
    MeterUpdateSerializer,
)
from entitlements.metering.create_meter import create_meter
from entitlements.metering.delete_meter import delete_meter
from entitlements.metering.selectors import find_meter
from entitlements.metering.update_meter import update_meter
from entitlements.metering.usage_query import (
    CUSTOMER,
    SUBJECT,
    WINDOWS,
    UsageQuery,
    UsageRow,
    group_values,
    kept_part,
    query_usage,
)
from entitlements.models import Meter

_TIMES = [
    OpenApiParameter(
        "from",
        OpenApiTypes.DATETIME,
        description="Inclusive. An answer that needs events begins, without it, with those that are kept, and says so.",
    ),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="Exclusive."),
]
_REPEATED = {"type": "array", "items": {"type": "string"}}
_DEEP = {"type": "object", "additionalProperties": {"type": "string"}}
_QUERY = [
    *_TIMES,
    OpenApiParameter("clientId", str),
    OpenApiParameter("windowSize", str, enum=list(WINDOWS)),
    OpenApiParameter("windowTimeZone", str, description="IANA name; UTC by default."),
    OpenApiParameter("subject", _REPEATED),
    OpenApiParameter("filterCustomerId", {"type": "array", "items": {"type": "string", "pattern": ULID_PATTERN}}),
    OpenApiParameter("groupBy", _REPEATED),
    OpenApiParameter("filterGroupBy", _DEEP, style="deepObject", explode=True),
]
_LIVING = Q(deleted_at=None)
_LISTS = ("subject", "filterCustomerId", "groupBy")
_PLAIN = ("from", "to", "windowSize", "windowTimeZone", "clientId")


class MeterViewSet(WireViewSet):
    """A deleted meter is shown by its id, with `deletedAt`; its slug is free for another."""

    required_scopes = {
        "GET": "catalog:read",
        "POST": "catalog:write",
        "PUT": "catalog:write",
        "DELETE": "catalog:write",
    }
    queryset = Meter.objects.all()
    serializer_class = MeterSerializer
    filterset_class = MeterFilterSet
    pagination_class = BareArrayPagination
    order_by_fields = {
        "key": "key",
        "name": "name",
        "aggregation": "aggregation",
        "createdAt": "created_at",
        "updatedAt": "updated_at",
    }
    lookup_url_kwarg = "meterIdOrSlug"

    @extend_schema(operation_id="listMeters", responses=MeterSerializer(many=True))
    def list(self, request: Request) -> Response:
        return self.show_page(self.filter_queryset(self.get_queryset()))

    @extend_schema(operation_id="createMeter", request=MeterCreateSerializer, responses={201: MeterSerializer})
    def create(self, request: Request) -> Response:
        body = self.read_body(MeterCreateSerializer)
        meter = create_meter(key=body.pop("slug"), **body)
        return self.show(meter, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="getMeter")
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        return self.show(find(self.get_queryset(), self.addressed, what="meter", key="key", keyed=_LIVING))

    @extend_schema(operation_id="updateMeter", request=MeterUpdateSerializer)
    def update(self, request: Request, **kwargs: str) -> Response:
        meter = find_meter(self.addressed)
        return self.show(update_meter(meter=meter, **self.read_body(MeterUpdateSerializer)))

    @extend_schema(operation_id="deleteMeter", responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        delete_meter(meter=find_meter(self.addressed))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeterUsageViewSet(WireViewSet):
    """What a meter measured."""

    required_scopes = {"GET": "usage:read", "POST": "usage:read"}
    queryset = Meter.objects.none()
    pagination_class = None
    filter_backends = []
    lookup_url_kwarg = "meterIdOrSlug"
    renderer_classes = [WireJSONRenderer, CSVRenderer]

    @extend_schema(operation_id="queryMeter", parameters=_QUERY, responses=MeterQueryResultSerializer)
    @action(detail=True, url_path="query")
    def query(self, request: Request, **kwargs: str) -> Response:
        return self.answer(_spelled_out(request.query_params))

    @extend_schema(
        operation_id="queryMeterPost", request=MeterQuerySerializer, responses={200: MeterQueryResultSerializer}
    )
    @query.mapping.post
    def query_post(self, request: Request, **kwargs: str) -> Response:
        return self.answer(request.data)

    @extend_schema(operation_id="listMeterSubjects", parameters=_TIMES, responses={200: _REPEATED})
    @action(detail=True, url_path="subjects")
    def subjects(self, request: Request, **kwargs: str) -> Response:
        return self.values(SUBJECT)

    @extend_schema(operation_id="listMeterGroupByValues", parameters=_TIMES, responses={200: _REPEATED})
    @action(detail=True, url_path="group-by/(?P<groupByKey>[^/]+)/values")
    def group_by_values(self, request: Request, groupByKey: str, **kwargs: str) -> Response:  # noqa: N803
        return self.values(groupByKey)

    def values(self, dimension: str) -> Response:
        times = self.valid({name: self.request.query_params.get(name) for name in ("from", "to")})
        meter = find_meter(self.addressed)
        query = kept_part(meter, UsageQuery(start=times.get("from"), end=times.get("to"), group_by=(dimension,)))
        return Response(group_values(meter, dimension, start=query.start, end=query.end))

    def answer(self, asked: Any) -> Response:
        wire = self.valid(asked)
        meter = find_meter(self.addressed)
        zone_info(wire["window_time_zone"])
        query = UsageQuery(
            start=wire.get("from"),
            end=wire.get("to"),
            window=wire.get("window_size"),
            time_zone=wire["window_time_zone"],
            group_by=tuple(dict.fromkeys(wire.get("group_by", ()))),
            filters=_both(wire.get("filter_group_by", {}), wire.get("advanced_meter_group_by_filters", {})),
            subjects=wire.get("subject"),
            customers=wire.get("filter_customer_id"),
        )
        query = kept_part(meter, query)
        rows = query_usage(meter, query)
        if isinstance(self.request.accepted_renderer, CSVRenderer):
            return Response([_csv_row(row, query) for row in rows])
        shown = [_row(row, query) for row in rows]
        result = {"from": query.start, "to": query.end, "window_size": query.window, "data": shown}
        return Response(MeterQueryResultSerializer(result).data)

    def valid(self, asked: Any) -> dict[str, Any]:
        serializer = MeterQuerySerializer(data=asked)
        serializer.is_valid(raise_exception=True)
        wire = serializer.validated_data
        if wire.get("from") and wire.get("to") and wire["from"] > wire["to"]:
            raise ValidationError({"to": ["Must not lie before from."]})
        return wire


def _spelled_out(params: QueryDict) -> dict[str, Any]:
    """The query string in the form of the POST body."""
    asked: dict[str, Any] = {name: params[name] for name in _PLAIN if params.get(name)}
    asked |= {name: params.getlist(name) for name in _LISTS if name in params}
    filters = deep_object(params, "filterGroupBy")
    return asked | ({"filterGroupBy": dict(filters)} if filters else {})


def _both(some: dict[str, list[str]], others: dict[str, list[str]]) -> dict[str, list[str]]:
    """Filters that are given in two ways, together: of a dimension in both, the values that both let through."""
    return some | {
        name: [value for value in values if name not in some or value in some[name]] for name, values in others.items()
    }


def _row(row: UsageRow, query: UsageQuery) -> dict[str, Any]:
    groups = dict(zip(query.group_by, row.groups, strict=True))
    return {
        "value": row.value,
        "window_start": row.start,
        "window_end": row.end,
        "subject": groups.pop(SUBJECT, None),
        "customer_id": groups.pop(CUSTOMER, None),
        "group_by": groups,
    }


def _csv_row(row: UsageRow, query: UsageQuery) -> dict[str, Any]:
    groups = dict(zip(query.group_by, row.groups, strict=True))
    if groups.get(CUSTOMER):
        groups[CUSTOMER] = to_text(groups[CUSTOMER])
    times = {"window_start": row.start.isoformat(), "window_end": row.end.isoformat()}
    return {**times, **groups, "value": format(row.value, "f") if hasattr(row.value, "as_tuple") else row.value}
