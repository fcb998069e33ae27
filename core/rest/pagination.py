"""Pages of lists: `{totalCount, page, pageSize, items}`, or a bare array where the clients expect one."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
# So far `totalCount` is exact; beyond, a count would take longer the more there is (docs/decisions/at-size.md).
EXACT_UP_TO = 10_000


class PageNumberPagination(BasePagination):
    """`page` counts from 1; a page beyond the end is empty, a bad number is a 400.

    So is a page that ends deeper than `API_LIST_DEPTH` rows: the database walks past all rows before it, and counts
    them where it is beyond the end.

    `totalCount` is exact up to 10,000. Beyond, it is at least one more than has been read up to this page as long as
    there is more, so that whoever reads page by page comes to the end, where it is exact again.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.page = whole_number(request, "page", default=1, maximum=10**12)
        self.page_size = whole_number(request, "pageSize", default=DEFAULT_PAGE_SIZE, maximum=MAX_PAGE_SIZE)
        start = (self.page - 1) * self.page_size
        end = start + self.page_size
        _refuse_deeper("page", end, view)
        items = list(queryset[start : end + 1])
        self.total_count = self._count(queryset, start, end, len(items))
        return items[: self.page_size]

    def _count(self, queryset: Any, start: int, end: int, found: int) -> int:
        """How many there are, where `found` were read from `start` on: one more than the page shows, if it goes on."""
        goes_on = found > self.page_size
        if not goes_on and (found or not start):
            return start + found
        if not isinstance(queryset, QuerySet):
            return len(queryset)
        if goes_on and end > EXACT_UP_TO:
            return end + 1
        # An empty page lies beyond the end, wherever that is.
        return int(queryset[: EXACT_UP_TO + 1 if goes_on else start].count())

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"totalCount": self.total_count, "page": self.page, "pageSize": self.page_size, "items": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        number = {"type": "integer"}
        counted = number | {
            "description": f"How many there are; exact up to {EXACT_UP_TO:,}. Beyond, at least one more than the pages "
            "up to this one hold as long as there is more, and exact on the last page."
        }
        return {
            "type": "object",
            "required": ["totalCount", "page", "pageSize", "items"],
            "properties": {"totalCount": counted, "page": number, "pageSize": number, "items": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter("page", default=1, maximum=settings.API_LIST_DEPTH, said=_deepest()),
            _parameter("pageSize", default=DEFAULT_PAGE_SIZE, maximum=MAX_PAGE_SIZE),
        ]


class BareArrayPagination(PageNumberPagination):
    """Always a bare array, still paged, so that no list is without a bound."""

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema


class PageOrBareArrayPagination(PageNumberPagination):
    """A bare array (of at most 1,000, or `limit` from `offset`), unless the request says `page`."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.bare = "page" not in request.query_params
        if not self.bare:
            return super().paginate_queryset(queryset, request, view)
        limit = whole_number(request, "limit", default=MAX_PAGE_SIZE, maximum=MAX_PAGE_SIZE)
        offset = whole_number(request, "offset", default=0, minimum=0, maximum=10**12)
        _refuse_deeper("offset", offset + limit, view)
        return list(queryset[offset : offset + limit])

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data) if self.bare else super().get_paginated_response(data)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {"oneOf": [schema, super().get_paginated_response_schema(schema)]}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            *super().get_schema_operation_parameters(view),
            _parameter("limit", default=MAX_PAGE_SIZE, maximum=MAX_PAGE_SIZE),
            _parameter("offset", default=0, minimum=0, maximum=settings.API_LIST_DEPTH, said=_deepest()),
        ]


class PageOrOffsetPagination(PageNumberPagination):
    """Always a page, also of `limit` rows from `offset`, where the request says those and no `page`."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        asked = request.query_params
        if "page" in asked or not {"limit", "offset"} & set(asked):
            return super().paginate_queryset(queryset, request, view)
        self.page_size = whole_number(request, "limit", default=DEFAULT_PAGE_SIZE, maximum=MAX_PAGE_SIZE)
        start = whole_number(request, "offset", default=0, minimum=0, maximum=10**12)
        self.page = start // self.page_size + 1
        end = start + self.page_size
        _refuse_deeper("offset", end, view)
        items = list(queryset[start : end + 1])
        self.total_count = self._count(queryset, start, end, len(items))
        return items[: self.page_size]

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            *super().get_schema_operation_parameters(view),
            _parameter("limit", default=DEFAULT_PAGE_SIZE, maximum=MAX_PAGE_SIZE),
            _parameter("offset", default=0, minimum=0, maximum=settings.API_LIST_DEPTH, said=_deepest()),
        ]


def whole_number(request: Request, name: str, *, default: int, minimum: int = 1, maximum: int) -> int:
    """The query parameter `name` as a number within the bounds; a 400 that names it otherwise."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and minimum <= int(text) <= maximum):
        raise ValidationError({name: [f"Must be a whole number from {minimum} to {maximum}."]})
    return int(text)


def _refuse_deeper(parameter: str, end: int, view: Any) -> None:
    """A 400 for what ends deeper in the list than the database should walk; it says how else to come there."""
    if end <= max(settings.API_LIST_DEPTH, MAX_PAGE_SIZE):
        return
    filters = getattr(getattr(view, "filterset_class", None), "base_filters", {})
    narrow = f" by its filters ({', '.join(filters)})" if filters else ""
    orders = ", or read it from its other end (order, orderBy)" if getattr(view, "order_by_fields", {}) else ""
    raise ValidationError(
        {
            parameter: ErrorDetail(
                f"That ends at row {end:,}, and a list is read as far as row {settings.API_LIST_DEPTH:,}. Narrow the "
                f"list{narrow}{orders}.",
                code="too_deep",
            )
        }
    )


def _deepest() -> str:
    return f"A list is read as far as row {settings.API_LIST_DEPTH:,}: what ends deeper is a 400; narrow the list then."


def _parameter(name: str, *, default: int, minimum: int = 1, maximum: int, said: str = "") -> dict[str, Any]:
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}
    parameter = {"name": name, "in": "query", "required": False, "schema": schema}
    return parameter | {"description": said} if said else parameter
