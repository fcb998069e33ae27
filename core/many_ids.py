"""Filters rows by many ids at once: one array for the database instead of one parameter for each id."""

import uuid
from collections.abc import Collection, Iterable
from typing import TypeVar

from django.db.models import BooleanField, F, Func, Model, QuerySet, Value

from core.bulk import ids_array

M = TypeVar("M", bound=Model)


class _IsAnyOf(Func):
    template = "%(expressions)s::uuid[])"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def any_of(column: str, ids: Iterable[uuid.UUID]) -> Func:
    """The condition that `column` (`id`, `customer_id`, `item__subscription_id`) is one of `ids`, for `filter`.

    The same as Django's own lookup `in`; with hundreds of ids, what it costs hardly depends on how many there are.
    """
    return _IsAnyOf(F(column), Value(ids_array(ids)))


def among(rows: QuerySet[M], column: str, ids: Collection[uuid.UUID]) -> QuerySet[M]:
    """Those of `rows` of which `any_of` holds; none, and no query, for no ids."""
    return rows.filter(any_of(column, ids)) if ids else rows.none()
