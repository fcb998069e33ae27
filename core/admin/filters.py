"""Owns list filters by named states."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest


class ChoiceFilter(SimpleListFilter):
    """A filter whose state without a choice has a name of its own."""

    choices_of: ClassVar[tuple[tuple[str, str], ...]] = ()
    default_label: ClassVar[str] = "All"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return self.choices_of

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices: list[Any] = list(super().choices(changelist))
        first, *rest = choices
        yield {**first, "display": self.default_label}
        yield from rest


class ActiveFilter(ChoiceFilter):
    """Without a choice, the rows whose moment `ended` has not come; else those where it has or, for "all", both."""

    title = "State"
    parameter_name = "state"
    ended: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(**{f"{self.ended}__isnull": self.value() is None})
