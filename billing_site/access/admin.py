"""API keys in the admin: made once, shown once, revoked for good."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from billing_site.access.choices import APPROVED_SCOPES, Scope
from billing_site.access.models import ApiKey
from billing_site.access.services.create_api_key import create_api_key
from billing_site.access.services.give_scope import give_scope
from billing_site.access.services.revoke_api_key import revoke_api_key
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.audit.services.record import record
from core.clock import real_now


class NewKeyForm(forms.ModelForm):
    name = forms.CharField(
        max_length=128, widget=UnfoldAdminTextInputWidget, help_text="Which system will use it, such as “Checkout”."
    )
    scopes = forms.MultipleChoiceField(
        choices=[choice for choice in Scope.choices if choice[0] not in APPROVED_SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Setting up untaxed customers, and acting without a second person, is given afterwards on the key's "
        "page, where a second person approves it.",
    )
    expires_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="In UTC; empty: never."
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")


class Revoke(Verb[ApiKey]):
    slug = "revoke"
    label = "Revoke"
    permission = "access.change_apikey"
    tone = "danger"

    def asks(self, key: ApiKey) -> str:
        return f"Is the API key {key} to be revoked?"

    def consequences(self, key: ApiKey) -> list[str]:
        return ["Calls with it fail from now on.", "It can't be undone: make a new key instead."]

    def why_not(self, request: HttpRequest, key: ApiKey) -> str:
        return "The key is revoked already." if key.revoked_at else ""

    def perform(self, request: HttpRequest, key: ApiKey, answers: Answers) -> str:
        revoke_api_key(key=key)
        record(verb="apikey.revoked", target=key, did=f"revoked the API key {key}")
        return f"The API key {key} no longer works."


class GiveScope(Verb[ApiKey]):
    """Gives the key a scope that a second person must approve."""

    permission = "access.add_apikey"
    tone = "danger"
    scope: Scope
    done: str

    def why_not(self, request: HttpRequest, key: ApiKey) -> str:
        if key.revoked_at:
            return "The key is revoked."
        return "It may already." if key.allows(self.scope) else ""

    def perform(self, request: HttpRequest, key: ApiKey, answers: Answers) -> str:
        give_scope(key=key, scope=self.scope)
        return self.done.format(key)


class LetSetUp(GiveScope):
    slug = "set-up"
    label = "Let it set customers up"
    tone = "plain"
    scope = Scope.SETUP
    done = "{} sets customers up from now on."

    def asks(self, key: ApiKey) -> str:
        return f"Is {key} a program's, that speaks for customers?"

    def consequences(self, key: ApiKey) -> list[str]:
        return [
            "It sets up customers who are taxed at less or not at all, before they subscribe.",
            "It passes on where customers say that they live, also where no tax is due then.",
            "A second person must approve this.",
        ]


class LetActAlone(GiveScope):
    slug = "act-alone"
    label = "Let it act alone"
    scope = Scope.APPROVALS
    done = "{} acts without a second person from now on."

    def asks(self, key: ApiKey) -> str:
        return f"May {key} do without a second person what takes two at the finance desk?"

    def consequences(self, key: ApiKey) -> list[str]:
        return ["Moves, discounts and tax beyond the limits then need no approval. A second person must approve this."]


@page_of(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "starts_with", "state", "may", "made", "last_used", "expires")
    search_prefix = ("name", "prefix")
    page_template = "backoffice/api_key.html"
    form = NewKeyForm
    verbs = (Revoke(), LetSetUp(), LetActAlone())

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.has_perm("access.add_apikey")

    @display(description="Starts with")
    def starts_with(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return badge("Revoked", "red")
        expired = key.expires_at is not None and key.expires_at <= real_now()
        return badge("Expired", "amber") if expired else badge("Works", "green")

    @display(description="May")
    def may(self, key: ApiKey) -> str:
        return ", ".join(str(Scope(scope).label) if scope in Scope.values else scope for scope in key.scopes)

    @display(description="Made")
    def made(self, key: ApiKey) -> SafeString:
        return moment(key.created_at)

    @display(description="Last used")
    def last_used(self, key: ApiKey) -> SafeString:
        return moment(key.last_used_at)

    @display(description="Expires")
    def expires(self, key: ApiKey) -> SafeString:
        return moment(key.expires_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        key, token = create_api_key(
            name=values["name"], scopes=values["scopes"], expires_at=values["expires_at"], created_by=request.user
        )
        record(
            verb="apikey.created",
            target=key,
            did=f"created the API key {key}",
            changes={"scopes": [None, key.scopes]},
        )
        obj.pk, obj.prefix, obj.new_token = key.pk, key.prefix, token

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The key itself, on this answer only: it is stored nowhere."""
        response = self._page(
            request, "backoffice/api_key_made.html", {"title": "API key made", "key": obj, "token": obj.new_token}
        )
        response["Cache-Control"] = "no-store"
        return response

    def page_context(self, request: HttpRequest, obj: ApiKey) -> dict[str, Any]:
        return {"key": obj, "state": self.state(obj), "may": self.may(obj), "timeline": self.timeline(obj)}
