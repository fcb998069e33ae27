"""Usage events in the admin: read only, found by id, subject, customer, type, source and time; which meters count one,
and those that are nobody's."""

import json
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Func, QuerySet, TextField
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock, ids
from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, above, cut, moment
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.rest.wire_json import loads
from customers.models import Customer
from entitlements.admin.metering.event_filters import EVENT_FILTERS, LOOKED_THROUGH, reads_far
from entitlements.metering.event_reading import meters_of, owner_at, reads_of
from entitlements.metering.find_events import stored_with_id, unattributed_subjects
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import EventReversal, UsageEvent

NOBODYS_SINCE = timedelta(days=31)
NOBODYS_AT_ONCE = 100


class Reverse(Verb[UsageEvent]):
    slug = "reverse"
    label = "Reverse"
    permission = "entitlements.reverse_usageevent"

    def asks(self, event: UsageEvent) -> str:
        return f"Let the event {event.external_id} of {event.subject} count no more?"

    def consequences(self, event: UsageEvent) -> list[str]:
        return [
            "The event stays to be seen, with the reason. It can't be counted again.",
            "What is not billed yet is billed without it. What is billed stays; the difference is late usage.",
        ]

    def why_not(self, request: HttpRequest, event: UsageEvent) -> str:
        reversal = EventReversal.objects.filter(event_id=event.id).first()
        return "" if reversal is None else f"The event was reversed before: {reversal.reason}"

    def perform(self, request: HttpRequest, event: UsageEvent, answers: Answers) -> str:
        reverse_event(source=event.source, event_id=event.external_id, reason=answers["reason"])
        return f"The event {event.external_id} counts no more."


@page_of(UsageEvent)
class UsageEventAdmin(ReadOnlyAdmin):
    verbs = (Reverse(),)
    list_display = ("at", "counted_for", "kind", "payload", "origin", "stored")
    list_filter = EVENT_FILTERS
    list_filter_submit = True
    list_before_template = "backoffice/event_list.html"
    search_exact = ("subject",)
    search_help_text = "A subject or an event id, exactly."
    sortable_by = ()
    page_template = "backoffice/event.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.unattributed_view)
        return [path("unattributed/", view, name="entitlements_usageevent_unattributed"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if reads_far(request):
            messages.info(request, f"Of the last {LOOKED_THROUGH.days} days. For others, give a time to begin at.")
            queryset = queryset.filter(time__gte=clock.now() - LOOKED_THROUGH)
        term = search_term.strip()
        if not term or "\x00" in term or ids.from_text(term) is not None:
            return super().get_search_results(request, queryset, term.replace("\x00", ""))
        of_subject = queryset.filter(subject=term)
        return (of_subject if of_subject.exists() else stored_with_id(queryset, term)), False

    def page_context(self, request: HttpRequest, obj: UsageEvent) -> dict[str, Any]:
        # As text: Django would read numbers as floats.
        pretty = Func("data", function="jsonb_pretty", output_field=TextField())
        text = UsageEvent.objects.filter(pk=obj.pk, time=obj.time).values_list(pretty, flat=True).get()
        data = None if text is None else loads(text.encode())
        reads = reads_of(meters_of(obj.type), data, obj.time)
        owner_id = owner_at(obj.subject, obj.time)
        return {
            "event": obj,
            "data": text,
            "reads": reads,
            "owner": None if owner_id is None else Customer.objects.get(pk=owner_id),
            "reversal": EventReversal.objects.filter(event_id=obj.pk).first(),
        }

    def unattributed_view(self, request: HttpRequest) -> HttpResponse:
        """The subjects that no customer has, with their events of the last month: what is not billed to anybody."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, after = clock.now(), request.GET.get("after", "").replace("\x00", "")
        rows = unattributed_subjects(since=now - NOBODYS_SINCE, after=after, limit=NOBODYS_AT_ONCE + 1)
        shown = rows[:NOBODYS_AT_ONCE]
        context = {
            "title": "Events of nobody",
            "days": NOBODYS_SINCE.days,
            "rows": sorted(shown, key=lambda row: (-row.events, row.subject)),
            "after": shown[-1].subject if len(rows) > NOBODYS_AT_ONCE else "",
        }
        return self._page(request, "backoffice/event_unattributed.html", context)

    @display(description="Time")
    def at(self, event: UsageEvent) -> SafeString:
        return moment(event.time)

    @display(description="Subject")
    def counted_for(self, event: UsageEvent) -> SafeString:
        return cut(event.subject)

    @display(description="Type")
    def kind(self, event: UsageEvent) -> SafeString:
        return cut(event.type)

    @display(description="Source, id")
    def origin(self, event: UsageEvent) -> SafeString:
        return above(cut(event.source), cut(event.external_id))

    @display(description="Data")
    def payload(self, event: UsageEvent) -> SafeString:
        if event.data is None:
            return EMPTY
        text = json.dumps(event.data, ensure_ascii=False)
        return format_html('<code class="ch-code">{}</code>', text if len(text) <= 80 else f"{text[:77]}…")

    @display(description="Received")
    def stored(self, event: UsageEvent) -> SafeString:
        return moment(event.ingested_at)
