"""Finds the one object that a path addresses."""

import uuid
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from core.errors import NotFound
from core.ids import from_text

T = TypeVar("T", bound=Model)
MAX_KEY_LENGTH = 256
_ANY = Q()


def find(queryset: QuerySet[T], text: str, *, what: str, key: str | None = None, keyed: Q = _ANY) -> T:
    """The row whose id `text` spells or, where `key` names a column, whose key it is; the id wins.

    `keyed` narrows which rows can be found by their key: a deleted one may have left its key to another. Raises
    `NotFound` otherwise, also for a text that could be neither.
    """
    identity = from_text(text)
    condition = Q(pk=identity) if identity else Q(pk__in=())
    if key and "\x00" not in text and len(text) <= MAX_KEY_LENGTH:
        condition |= Q(**{key: text}) & keyed
    # Two rows at most: one whose key happens to be spelled like another's id.
    rows = list(queryset.filter(condition)[:2])
    for row in rows:
        if row.pk == identity:
            return row
    if rows:
        return rows[0]
    raise missing(what, text)


def missing(what: str, text: Any) -> NotFound:
    """The error for an object that isn't there: NotFound, with `code` `<what>_not_found`."""
    shown = str(text)[:80] if not isinstance(text, uuid.UUID) else text
    return NotFound(f"There is no {what} {shown}.", code=f"{what.replace(' ', '_')}_not_found")
