"""Usage events in the admin: read only, found by subject."""

import json

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, above, cut, moment
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import EventReversal, UsageEvent


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
    search_exact = ("subject", "external_id")
    search_help_text = "A subject or an event id, exactly."
    sortable_by = ()
    fields = ("time", "type", "subject", "source", "external_id", "data", "ingested_at")

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
