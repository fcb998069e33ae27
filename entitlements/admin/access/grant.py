"""Grants in the admin: facts, which can be voided."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import clock
from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, link, moment, number
from core.admin.filters import ActiveFilter
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.admin.words import duration_words, quantity_text
from entitlements.access.void_grant import void_grant
from entitlements.models import Grant


class CountingGrants(ActiveFilter):
    choices_of = (("voided", "Voided"), ("all", "All"))
    default_label = "Not voided"
    ended = "voided_at"


class VoidGrant(Verb[Grant]):
    slug = "void"
    label = "Void"
    permission = "entitlements.void_grant"
    tone = "danger"

    def asks(self, grant: Grant) -> str:
        return f"Is the grant of {quantity_text(grant.amount)} for {grant.entitlement} to count no longer?"

    def consequences(self, grant: Grant) -> list[str]:
        return ["What was used of it stays used; what is left of it is gone from now on.", "It can't be taken back."]

    def why_not(self, request: HttpRequest, grant: Grant) -> str:
        if grant.voided_at is not None:
            return "It is voided already."
        if grant.issued and grant.entitlement.managed_in is not None:
            return "It is what the plan grants: change or edit the subscription."
        return ""

    def perform(self, request: HttpRequest, grant: Grant, answers: Answers) -> str:
        void_grant(grant=grant)
        return f"The grant of {quantity_text(grant.amount)} for {grant.entitlement} counts no longer."


@page_of(Grant)
class GrantAdmin(ReadOnlyAdmin):
    list_display = ("customer_link", "entitlement_link", "granted", "state", "effective", "expires", "burns", "recurs")
    list_filter = (CountingGrants, "issued")
    list_select_related = ("entitlement__customer",)
    search_prefix = ("entitlement__customer__name", "entitlement__customer__key")
    search_help_text = "The start of a customer's name or key."
    ordering = ("-created_at", "-id")
    sortable_by = ()
    page_template = "backoffice/grant.html"
    verbs = (VoidGrant(),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        return super().get_queryset(request).select_related("entitlement__customer")

    @display(description="Customer")
    def customer_link(self, grant: Grant) -> SafeString:
        return link(grant.entitlement.customer)

    @display(description="Entitlement")
    def entitlement_link(self, grant: Grant) -> SafeString:
        return link(grant.entitlement, grant.entitlement.feature_key)

    @display(description="Amount")
    def granted(self, grant: Grant) -> SafeString:
        return number(grant.amount)

    @display(description="State")
    def state(self, grant: Grant) -> SafeString:
        return grant_state(grant)

    @display(description="From")
    def effective(self, grant: Grant) -> SafeString:
        return moment(grant.effective_at, grant.entitlement.time_zone)

    @display(description="Expires")
    def expires(self, grant: Grant) -> SafeString:
        return moment(grant.expires_at, grant.entitlement.time_zone)

    @display(description="Priority")
    def burns(self, grant: Grant) -> str:
        return str(grant.priority)

    @display(description="Renewed")
    def recurs(self, grant: Grant) -> str:
        return renewal_words(grant)

    def page_context(self, request: HttpRequest, obj: Grant) -> dict[str, Any]:
        return {
            "grant": obj,
            "state": grant_state(obj),
            "renewal": renewal_words(obj),
            "timeline": self.timeline(obj),
        }


def grant_state(grant: Grant) -> SafeString:
    """Whether it counts now."""
    now = clock.now()
    if grant.voided_at is not None and grant.voided_at <= now:
        return badge("Voided", "red")
    if grant.expires_at is not None and grant.expires_at <= now:
        return badge("Expired")
    if grant.effective_at > now:
        return badge("Scheduled", "blue")
    return badge("Counts", "green")


def renewal_words(grant: Grant) -> str:
    """How often it is renewed."""
    if grant.issued:
        return "with each usage period"
    return "never" if grant.recurrence is None else f"every {duration_words(grant.recurrence)}"
