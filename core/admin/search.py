"""Owns searching so that indexes can serve it: exact values, and starts of words in either case."""

from typing import Any

from django.db import models
from django.db.models import Q

MAX_RELATED = 1000


def matching(model: type[models.Model], fields: tuple[str, ...], lookup: str, term: str) -> Q:
    """The condition that one of `fields` matches `term` by `lookup` ("exact", "istartswith").

    Fields of a related row ("customer__name") are looked up there first, at most a thousand rows, and then matched by
    id: joined and OR-ed, neither table's index would be used.
    """
    condition = Q()
    related: dict[str, Q] = {}
    for field in fields:
        relation, _, name = field.rpartition("__")
        if relation and model._meta.get_field(relation).is_relation:
            related[relation] = related.get(relation, Q()) | Q(**{f"{name}__{lookup}": term})
        else:
            condition |= Q(**{f"{field}__{lookup}": term})
    for relation, wanted in related.items():
        target: Any = model._meta.get_field(relation).related_model
        ids = list(target._default_manager.filter(wanted).order_by().values_list("pk", flat=True)[:MAX_RELATED])
        condition |= Q(**{f"{relation}__in": ids})
    return condition
