"""Deliveries of webhooks in the admin: what came of each, and sending it again."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import above, badge, cut, link, moment, number
from core.admin.filters import ChoiceFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.notifications.choices import DeliveryState
from core.notifications.models import Attempt, Delivery
from core.notifications.selectors import next_attempt_at, reason_of, state_of, with_state
from core.notifications.services.resend_event import resend_event
from core.rest.wire_json import indented, loads

_TONES = {
    DeliveryState.PENDING: "blue",
    DeliveryState.SENDING: "blue",
    DeliveryState.SUCCESS: "green",
    DeliveryState.FAILED: "red",
    DeliveryState.RESENDING: "amber",
}
_SHOWN_ATTEMPTS = 20


class StateFilter(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = tuple((state.value, str(state.label)) for state in DeliveryState)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        return queryset if state is None else with_state(queryset, state)


class Resend(Verb[Delivery]):
    slug = "resend"
    label = "Send again"
    permission = "notifications.resend_event"
    form = OptionalReasonForm
    bulk = True

    def asks(self, delivery: Delivery) -> str:
        return f"Is {delivery} to be sent again?"

    def consequences(self, delivery: Delivery) -> list[str]:
        return ["It goes out under the same id, so that a receiver that has it already may leave it."]

    def why_not(self, request: HttpRequest, delivery: Delivery) -> str:
        if delivery.channel.deleted_at is not None:
            return "The channel is deleted."
        if delivery.channel.disabled:
            return "The channel is disabled: enable it first."
        state = state_of(delivery)
        return "" if state in (DeliveryState.SUCCESS, DeliveryState.FAILED) else "It is on its way already."

    def perform(self, request: HttpRequest, delivery: Delivery, answers: Answers) -> str:
        resend_event(event=delivery.event, channel_ids=[delivery.channel_id])
        return f"{delivery} is sent again."


@page_of(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("what", "to", "state", "tries", "next_try", "why")
    list_display_links = ("what",)
    list_filter = (StateFilter, "event__type")
    list_select_related = ("event", "channel", "message")
    search_exact = ("event__subject",)
    search_help_text = "A usage subject, exactly."
    ordering = ("-id",)
    sortable_by = ()
    page_template = "backoffice/webhook_delivery.html"
    verbs = (Resend(),)

    @display(description="Event")
    def what(self, delivery: Delivery) -> SafeString:
        return above(delivery.event.get_type_display(), moment(delivery.created_at))

    @display(description="To")
    def to(self, delivery: Delivery) -> SafeString:
        return cut(delivery.channel.name)

    @display(description="State")
    def state(self, delivery: Delivery) -> SafeString:
        state = state_of(delivery)
        return badge(str(state.label), _TONES[state])

    @display(description="Attempts")
    def tries(self, delivery: Delivery) -> SafeString:
        return number(delivery.message.attempts)

    @display(description="Next attempt")
    def next_try(self, delivery: Delivery) -> SafeString:
        return moment(next_attempt_at(delivery))

    @display(description="Why")
    def why(self, delivery: Delivery) -> SafeString:
        return cut(reason_of(delivery))

    def page_context(self, request: HttpRequest, obj: Delivery) -> dict[str, Any]:
        attempts = Attempt.objects.filter(delivery=obj).order_by("-id")[:_SHOWN_ATTEMPTS]
        return {
            "delivery": obj,
            "state": self.state(obj),
            "why": reason_of(obj),
            "next_try": next_attempt_at(obj),
            "rule": link(obj.event.rule),
            "channel": link(obj.channel),
            "attempts": list(attempts),
            # As it is sent, but for the spaces.
            "body": indented(loads(obj.event.body.encode())),
        }
