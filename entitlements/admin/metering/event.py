"""Usage events in the admin: read only, found by subject."""

import json

from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import EMPTY, above, cut, moment
from core.admin.registry import page_of
from entitlements.models import UsageEvent


@page_of(UsageEvent)
class UsageEventAdmin(ReadOnlyAdmin):
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
