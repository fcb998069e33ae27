"""What the list of events can be narrowed by, and how far back a list reads that no index serves."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter, TextFilter

from core.ids import from_text
from customers.models import Customer
from entitlements.metering.find_events import of_customers, stored_with_id

# Of a source or a type alone there is no index: the latest are looked through.
LOOKED_THROUGH = timedelta(days=31)
_MANY_CUSTOMERS = 20


class Typed(TextFilter):
    """Narrows by a text that is typed, exactly."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = (self.value() or "").strip()
        if not value:
            return queryset
        return queryset.none() if "\x00" in value else self.narrowed(queryset, value)

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{self.parameter_name or "": value})


class ById(Typed):
    title, parameter_name = "id", "id"

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return stored_with_id(queryset, value)


class BySubject(Typed):
    title, parameter_name = "subject", "subject"


class ByCustomer(Typed):
    title, parameter_name = "customer's key, name or id", "customer"

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        known = from_text(value)
        named = Q(pk=known) if known is not None else Q(key=value) | Q(name__iexact=value)
        return of_customers(
            queryset, list(Customer.objects.filter(named).values_list("pk", flat=True)[:_MANY_CUSTOMERS])
        )


class BySource(Typed):
    title, parameter_name = "source", "source"


class ByType(Typed):
    title, parameter_name = "type", "type"


class ByTime(RangeDateTimeFilter):
    """From and to, UTC, both included; a date alone is its start. What can't be read narrows nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._moment("from"), self._moment("to")
        if first is not None:
            queryset = queryset.filter(time__gte=first)
        return queryset if last is None else queryset.filter(time__lte=last)

    def _moment(self, end: str) -> datetime | None:
        date, time = (self.used_parameters.get(f"time_{end}_{part}") or "" for part in (0, 1))
        try:
            return datetime.fromisoformat(f"{date}T{time or '00:00'}").replace(tzinfo=UTC)
        except ValueError:
            return None


EVENT_FILTERS = (ById, BySubject, ByCustomer, ByType, BySource, ("time", ByTime))


def reads_far(request: HttpRequest) -> bool:
    """Whether what is asked for has no index of its own, and no time to begin at."""
    asked = {name for name, value in request.GET.items() if value}
    found_by = asked & {"id", "subject", "customer", "q", "time_from_0"}
    return bool(asked & {"type", "source"}) and not found_by
