"""Webhook channels in the admin. Their secret is shown once: when it is drawn."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin.base import ChangeReasonForm, MasterDataAdmin
from core.admin.display import badge, cut, moment
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.clock import real_now
from core.notifications.models import Channel
from core.notifications.services.deliver_webhooks import custom_headers
from core.notifications.services.save_channel import (
    KEPT,
    create_channel,
    delete_channel,
    rotate_secret,
    update_channel,
)


class ChannelForm(ChangeReasonForm):
    headers_said = forms.CharField(
        label="Headers",
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=f"One a line, “Name: value”. They are stored encrypted; {KEPT} keeps the stored value.",
    )

    class Meta:
        model = Channel
        fields = ("name", "url", "disabled")
        help_texts = {
            "url": "Where events are posted: https://… The address must be public.",
            "disabled": "Nothing is sent to it; what waits is given up, and can be sent again later.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.headers and "headers_said" in self.fields:
            self.initial["headers_said"] = "\n".join(f"{name}: {KEPT}" for name in custom_headers(self.instance))

    def clean_headers_said(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["headers_said"].splitlines())):
            name, colon, value = line.partition(":")
            if not colon or not value.strip():
                raise forms.ValidationError(f"“{line[:60]}” is no header: write “Name: value”.")
            if name.strip() in headers:
                raise forms.ValidationError(f"Give {name.strip()} once.")
            headers[name.strip()] = value.strip()
        return headers


class RotateSecret(Verb[Channel]):
    slug = "rotate-secret"
    label = "New secret"
    permission = "notifications.rotate_secret_channel"

    def asks(self, channel: Channel) -> str:
        return f"Is {channel} to get another signing secret?"

    def consequences(self, channel: Channel) -> list[str]:
        return [
            "From now on everything is signed with the new one, also what waits already.",
            "It is shown once. Until the receiver knows it, the receiver refuses what comes.",
        ]

    def why_not(self, request: HttpRequest, channel: Channel) -> str:
        return "The channel is deleted." if channel.deleted_at else ""

    def perform(self, request: HttpRequest, channel: Channel, answers: Answers) -> str:
        # For the answer to this request alone: a message would be kept in a cookie.
        request.__dict__["new_secret"] = rotate_secret(channel=channel)
        return f"{channel} has another signing secret."


class DeleteChannel(Verb[Channel]):
    slug = "delete-channel"
    label = "Delete"
    permission = "notifications.delete_channel"
    tone = "danger"
    form = OptionalReasonForm

    def asks(self, channel: Channel) -> str:
        return f"Is {channel} to be told nothing more?"

    def consequences(self, channel: Channel) -> list[str]:
        return ["What waits for it is given up. Its rules go on with their other channels.", "It can't be taken back."]

    def why_not(self, request: HttpRequest, channel: Channel) -> str:
        return "It is deleted already." if channel.deleted_at else ""

    def perform(self, request: HttpRequest, channel: Channel, answers: Answers) -> str:
        delete_channel(channel=channel)
        return f"{channel} is deleted."


class CurrentChannels(ActiveFilter):
    choices_of = (("deleted", "Deleted"), ("all", "All"))
    default_label = "Not deleted"
    ended = "deleted_at"


@page_of(Channel)
class ChannelAdmin(MasterDataAdmin):
    form = ChannelForm
    list_display = ("name", "address", "state", "endpoint", "since")
    list_filter = (CurrentChannels,)
    search_within = ("name", "url")
    fields = ("name", "url", "headers_said", "disabled", "change_reason")
    page_template = "backoffice/webhook_channel.html"
    verbs = (RotateSecret(), DeleteChannel())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        return Channel.objects.all()

    def save_recorded(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = form.cleaned_data
        values = {name: said[name] for name in ("name", "url", "disabled")} | {"headers": said["headers_said"]}
        if change:
            update_channel(channel=obj, metadata=obj.metadata, **values)
            return
        made, secret = create_channel(**values)
        obj.pk = made.pk
        request.__dict__["new_secret"] = secret

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self.show_secret(request, obj)

    def verb_view(self, request: HttpRequest, object_id: str, slug: str) -> HttpResponse:
        answer = super().verb_view(request, object_id, slug)
        return self.show_secret(request, self.readable(request, object_id)) if self._has_new(request) else answer

    def show_secret(self, request: HttpRequest, channel: Channel) -> HttpResponse:
        """The secret itself, on this answer only."""
        secret = request.__dict__["new_secret"]
        context = {"title": f"Signing secret of {channel}", "channel": channel, "secret": secret}
        answer = self._page(request, "backoffice/webhook_secret.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def _has_new(self, request: HttpRequest) -> bool:
        return "new_secret" in request.__dict__

    @display(description="Address")
    def address(self, channel: Channel) -> SafeString:
        return cut(channel.url)

    @display(description="State")
    def state(self, channel: Channel) -> SafeString:
        if channel.deleted_at is not None:
            return badge("Deleted", "grey")
        return badge("Disabled", "amber") if channel.disabled else badge("In use", "green")

    @display(description="Endpoint")
    def endpoint(self, channel: Channel) -> SafeString:
        if channel.open_until is None:
            return badge("Answers", "green") if not channel.failures else badge("Fails", "amber")
        tried = "Being tried" if channel.open_until <= real_now() else "Left alone"
        return badge(tried, "red", title=f"{channel.failures} failures in a row")

    @display(description="Since", ordering="created_at")
    def since(self, channel: Channel) -> SafeString:
        return moment(channel.created_at)

    def page_context(self, request: HttpRequest, obj: Channel) -> dict[str, Any]:
        return {
            "channel": obj,
            "state": self.state(obj),
            "endpoint": self.endpoint(obj),
            "headers": sorted(custom_headers(obj)),
            "rules": list(obj.rules.filter(deleted_at=None).order_by("name", "id")[:50]),
            "timeline": self.timeline(obj),
        }
