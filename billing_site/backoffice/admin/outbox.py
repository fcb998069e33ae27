"""The outbox in the admin: what was told to whom, and what could not be delivered."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, cut, moment, number
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from core.outbox.models import OutboxMessage
from core.outbox.services.deliver import known_topics
from core.rest.wire_json import indented


class DeliveryState(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = (("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Given up"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "waiting":
            return queryset.filter(due_at__isnull=False)
        if self.value() == "delivered":
            return queryset.filter(delivered_at__isnull=False)
        if self.value() == "failed":
            return queryset.filter(due_at__isnull=True, delivered_at__isnull=True)
        return queryset


class TopicFilter(ChoiceFilter):
    """By the topics that are delivered: which ones are stored takes reading all that was ever told."""

    title = "Topic"
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return tuple((topic, topic.capitalize()) for topic in known_topics())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(topic=self.value())


def subject_of(message: OutboxMessage) -> str:
    """What the message is about, in a line."""
    payload: Mapping[str, Any] = message.payload
    return str(payload.get("subject") or payload.get("type") or message.topic)


@page_of(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    list_display = ("made", "topic", "about", "receiver", "state", "tries", "delivered")
    list_display_links = ("about",)
    list_filter = (DeliveryState, TopicFilter)
    search_exact = ("payload__to", "dedupe_key")
    search_help_text = "An e-mail address, exactly."
    ordering = ("-id",)
    sortable_by = ()
    fields = ("made", "topic", "receiver", "about", "body", "state", "tries", "next_try", "delivered", "last_error")
    readonly_fields = fields

    @display(description="Made")
    def made(self, message: OutboxMessage) -> SafeString:
        return moment(message.created_at)

    @display(description="About")
    def about(self, message: OutboxMessage) -> str:
        return subject_of(message)

    @display(description="To")
    def receiver(self, message: OutboxMessage) -> SafeString:
        return cut(message.payload.get("to"))

    @display(description="Text")
    def body(self, message: OutboxMessage) -> SafeString:
        return format_html('<pre class="ch-pre">{}</pre>', message.payload.get("body") or indented(message.payload))

    @display(description="State")
    def state(self, message: OutboxMessage) -> SafeString:
        if message.delivered_at:
            return badge("Delivered", "green")
        if message.due_at is None:
            return badge("Given up", "red")
        return badge("Retrying", "amber") if message.attempts else badge("Waiting", "blue")

    @display(description="Attempts")
    def tries(self, message: OutboxMessage) -> SafeString:
        return number(message.attempts)

    @display(description="Next attempt")
    def next_try(self, message: OutboxMessage) -> SafeString:
        return moment(message.due_at)

    @display(description="Delivered")
    def delivered(self, message: OutboxMessage) -> SafeString:
        return moment(message.delivered_at)
