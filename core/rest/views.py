"""The base of every REST view: which scope each method needs, how a body is read, how an answer is written."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework import status
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import MultipleChoiceField, Serializer
from rest_framework.viewsets import GenericViewSet

from core.errors import NotFound

from .operations import operation_of
from .query_parameters import check_query
from .serializers import refuse_body


class WireViewSet(GenericViewSet):
    """A thin view: parse, call one service, present.

    `required_scopes` names, by HTTP method, the scope that an API key needs; a method without one can't be called.
    """

    required_scopes: dict[str, str] = {}
    # Keys may hold dots, which the router would take for a format.
    lookup_value_regex = "[^/]+"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # No stored text holds NUL, and PostgreSQL refuses to compare with it.
        if any("\x00" in str(value) for value in kwargs.values()):
            raise NotFound("There is nothing at this address.")
        if self.action in self.action_map.values():  # any other method ends as a 405
            operation = operation_of(self, request.method or "")
            check_query(request.query_params, operation.parameters)
            if not operation.reads_body and request.data:
                refuse_body(request.data)

    def scope_needed(self, method: str) -> str:
        """The scope that `method` needs. A view that declares none is a mistake of ours, not of the caller."""
        try:
            return self.required_scopes["GET" if method == "HEAD" else method]
        except KeyError as error:
            raise ImproperlyConfigured(f"{type(self).__name__} declares no scope for {method}.") from error

    @property
    def addressed(self) -> str:
        """The id or key in the path."""
        return self.kwargs[self.lookup_url_kwarg or self.lookup_field]

    def read_body(self, serializer_class: type[Serializer]) -> dict[str, Any]:
        """The validated body, in snake_case; a 400 with every field at fault otherwise."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def read_query(self, serializer_class: type[Serializer]) -> dict[str, Any]:
        """What the serializer knows of the query string, validated and in snake_case; a 400 otherwise."""
        given = self.request.query_params
        if not given and (nothing := _what_nothing_says(serializer_class)) is not None:
            return dict(nothing)
        fields = serializer_class().fields
        said = {
            name: given.getlist(name) if isinstance(field, MultipleChoiceField) else given[name]
            for name, field in fields.items()
            if name in given
        }
        serializer = serializer_class(data=said)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def show(
        self, instance: Any, serializer_class: type[Serializer] | None = None, status: int = status.HTTP_200_OK
    ) -> Response:
        """The answer that shows `instance`."""
        presenter = serializer_class or self.get_serializer_class()
        return Response(presenter(instance, context=self.get_serializer_context()).data, status=status)

    def show_page(self, queryset: Any, serializer_class: type[Serializer] | None = None) -> Response:
        """The page of `queryset` that was asked for, in the form that the view's pagination gives it."""
        items = self.paginate_queryset(queryset)
        presenter = serializer_class or self.get_serializer_class()
        return self.get_paginated_response(presenter(items, many=True, context=self.get_serializer_context()).data)


@cache
def _what_nothing_says(serializer_class: type[Serializer]) -> Mapping[str, Any] | None:
    """What a query string without anything in it comes to; None where that is refused, or worked out each time."""
    serializer = serializer_class(data={})
    defaults = [field.default for field in serializer.fields.values() if field.default is not empty]
    if any(map(callable, defaults)) or not serializer.is_valid():
        return None
    return dict(serializer.validated_data)
