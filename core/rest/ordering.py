"""`orderBy` and `order` on lists."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request


class OrderBy(BaseFilterBackend):
    """Orders by the fields that the view offers in `order_by_fields` (wire name to column); ties by id.

    The first one is the default, ascending unless the view says `default_order = "DESC"`. An unknown name is a 400.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        fields: dict[str, str] = getattr(view, "order_by_fields", {})
        if not fields:
            return queryset
        name = request.query_params.get("orderBy") or next(iter(fields))
        order = request.query_params.get("order") or getattr(view, "default_order", "ASC")
        if name not in fields:
            raise ValidationError({"orderBy": [f"Can't order by {name!r}. Choose one of: {', '.join(fields)}."]})
        if order not in ("ASC", "DESC"):
            raise ValidationError({"order": ["Must be ASC or DESC."]})
        sign = "-" if order == "DESC" else ""
        column = fields[name]
        return queryset.order_by(f"{sign}{column}", *([] if column in ("id", "pk") else [f"{sign}pk"]))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = list(getattr(view, "order_by_fields", {}))
        if not fields:
            return []
        return [
            _parameter("orderBy", {"type": "string", "enum": fields, "default": fields[0]}),
            _parameter(
                "order", {"type": "string", "enum": ["ASC", "DESC"], "default": getattr(view, "default_order", "ASC")}
            ),
        ]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
