"""Owns searching so that indexes can serve it: exact values, and starts of words in either case."""

import re
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from core.errors import BillingError
from core.money import parse_decimal

MAX_FOUND = 1000
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", re.ASCII)


def amount_of(term: str) -> Decimal | None:
    """The amount that `term` is, commas between its thousands or none; None for what is none: 1,50 is not 150."""
    plain = term.replace(",", "") if _THOUSANDS.fullmatch(term) else term
    try:
        return parse_decimal(plain, field="amount")
    except BillingError:
        return None


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
