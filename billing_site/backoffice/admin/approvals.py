"""The queue of changes that wait for a second person."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment
from core.admin.filters import ChoiceFilter
from core.admin.proposals import answers_shown, ask_outside, carry_out, may_carry_out, subject_shown
from core.admin.registry import page_of
from core.admin.verbs import Answers, OptionalReasonForm, Verb
from core.approvals.models import ChangeRequest, RequestStatus
from core.approvals.services.decide_change import approve_change, decline_change, withdraw_change
from core.audit.actors import current_actor
from core.clock import real_now

_TONES = {RequestStatus.WAITING: "amber", RequestStatus.APPLIED: "green", RequestStatus.DECLINED: "red"}


def _over(change: ChangeRequest) -> str:
    if change.status != RequestStatus.WAITING:
        return f"It is {change.get_status_display().lower()} already."
    return "It has expired: it must be proposed anew." if change.has_expired else ""


def _is_own(change: ChangeRequest) -> bool:
    return change.author == current_actor().person


class Approve(Verb[ChangeRequest]):
    """Whoever approves does it: with the right to approve, and with the right that the change itself needs."""

    slug = "approve"
    label = "Approve and do"
    permission = "approvals.approve_changerequest"
    tone = "primary"
    form = OptionalReasonForm

    def asks(self, change: ChangeRequest) -> str:
        return f"Is what {change.author_name} proposed to be done now? {change.what}."

    def consequences(self, change: ChangeRequest) -> list[str]:
        return [change.effect, change.rule, "Everything is checked anew, as of now. It is done at once, and only once."]

    def why_not(self, request: HttpRequest, change: ChangeRequest) -> str:
        if _is_own(change) and not _over(change):
            return "You proposed it: somebody else must approve it."
        lacking = "" if may_carry_out(request, change) else "Your role may not do this change itself."
        return _over(change) or lacking

    def perform(self, request: HttpRequest, change: ChangeRequest, answers: Answers) -> str:
        outside = ask_outside(request, change)
        return approve_change(
            request=change, apply=lambda waiting: carry_out(request, waiting, outside), reason=answers["reason"]
        )


class Decline(Verb[ChangeRequest]):
    slug = "decline"
    label = "Decline"
    permission = "approvals.approve_changerequest"
    tone = "danger"

    def asks(self, change: ChangeRequest) -> str:
        return f"Is what {change.author_name} proposed not to be done? {change.what}."

    def why_not(self, request: HttpRequest, change: ChangeRequest) -> str:
        return _over(change) or ("You proposed it: withdraw it instead." if _is_own(change) else "")

    def perform(self, request: HttpRequest, change: ChangeRequest, answers: Answers) -> str:
        decline_change(request=change, reason=answers["reason"])
        return f"Declined: {change.what}. Nothing was changed."


class Withdraw(Verb[ChangeRequest]):
    slug = "withdraw"
    label = "Withdraw"
    permission = "approvals.withdraw_changerequest"
    form = OptionalReasonForm

    def asks(self, change: ChangeRequest) -> str:
        return f"Is your proposal to be taken back? {change.what}."

    def shows(self, change: ChangeRequest) -> bool:
        return _is_own(change)

    def why_not(self, request: HttpRequest, change: ChangeRequest) -> str:
        return _over(change) if change.status != RequestStatus.WAITING else ""

    def perform(self, request: HttpRequest, change: ChangeRequest, answers: Answers) -> str:
        withdraw_change(request=change, reason=answers["reason"])
        return f"Withdrawn: {change.what}."


class StillWaiting(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    choices_of = (
        ("all", "All"),
        ("expired", "Expired"),
        *((status.value, str(status.label)) for status in RequestStatus if status != RequestStatus.WAITING),
    )
    default_label = "Waiting"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        waiting = queryset.filter(status=RequestStatus.WAITING)
        if self.value() is None:
            return waiting.filter(expires_at__gt=real_now())
        return (
            waiting.filter(expires_at__lte=real_now())
            if self.value() == "expired"
            else queryset.filter(status=self.value())
        )


@page_of(ChangeRequest)
class ChangeRequestAdmin(ReadOnlyAdmin):
    list_display = ("what", "state", "effect", "author_name", "since", "until")
    list_filter = (StillWaiting,)
    search_within = ("what", "author_name")
    sortable_by = ()
    page_template = "backoffice/change_request.html"
    verbs = (Approve(), Decline(), Withdraw())

    @display(description="State")
    def state(self, change: ChangeRequest) -> SafeString:
        if change.has_expired:
            return badge("Expired")
        status = RequestStatus(change.status)
        return badge(str(status.label), _TONES.get(status, "grey"))

    @display(description="Proposed")
    def since(self, change: ChangeRequest) -> SafeString:
        return moment(change.created_at)

    @display(description="Expires")
    def until(self, change: ChangeRequest) -> SafeString:
        return moment(change.expires_at)

    def page_context(self, request: HttpRequest, obj: ChangeRequest) -> dict[str, Any]:
        return {
            "change": obj,
            "state": self.state(obj),
            "answers": answers_shown(request, obj),
            "about": subject_shown(request, obj),
            "timeline": self.timeline(obj),
        }
