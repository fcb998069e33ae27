"""Owns searching so that indexes can serve it: exact values, and starts of words in either case."""

from typing import Any

from django.db import models
from django.db.models import Q

MAX_FOUND = 1000


def matching(model: type[models.Model], fields: tuple[str, ...], lookup: str, term: str) -> tuple[Q, bool]:
    """The condition that one of `fields` matches `term` by `lookup` ("exact", "istartswith"), and whether it is cut.

    The ids are looked up first, at most a thousand, each table for itself ("customer__name" among customers): joined
    or sorted in the same query, the planner reads a million rows in order instead of using these indexes.
    """
    by_relation: dict[str, Q] = {}
    for field in fields:
        relation, _, name = field.rpartition("__")
        if not relation or not model._meta.get_field(relation).is_relation:
            relation, name = "", field
        by_relation[relation] = by_relation.get(relation, Q()) | Q(**{f"{name}__{lookup}": term})
    condition, is_cut = Q(), False
    for relation, wanted in by_relation.items():
        target: Any = model._meta.get_field(relation).related_model if relation else model
        found = list(target._default_manager.filter(wanted).order_by().values_list("pk", flat=True)[: MAX_FOUND + 1])
        is_cut |= len(found) > MAX_FOUND
        condition |= Q(**{f"{relation or 'pk'}__in": found[:MAX_FOUND]})
    return condition, is_cut
