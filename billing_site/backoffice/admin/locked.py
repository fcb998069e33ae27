"""Log-ins that failed too often, and how to let someone in again before the lock ends by itself."""

from typing import Any

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ReadOnlyAdmin
from core.admin.display import badge, moment, number
from core.admin.registry import page_of
from core.admin.verbs import Answers, Verb
from core.audit.services.record import record
from core.clock import real_now


class Unlock(Verb[AccessAttempt]):
    slug = "unlock"
    label = "Unlock"
    permission = "axes.delete_accessattempt"

    def asks(self, attempt: AccessAttempt) -> str:
        return f"May {attempt.username} try to log in again?"

    def perform(self, request: HttpRequest, attempt: AccessAttempt, answers: Answers) -> str:
        record(verb="login.unlocked", target=attempt, did=f"unlocked the log-in {attempt.username}")
        reset(username=attempt.username, ip=attempt.ip_address)
        return f"{attempt.username} may try again."


@page_of(AccessAttempt)
class LockedLogInAdmin(ReadOnlyAdmin):
    list_display = ("username", "ip_address", "state", "failures", "last_try")
    search_prefix = ("username",)
    fields = ("username", "ip_address", "user_agent", "failures", "last_try")
    readonly_fields = fields
    page_template = "backoffice/locked.html"
    verbs = (Unlock(),)

    @display(description="State")
    def state(self, attempt: AccessAttempt) -> SafeString:
        fresh = attempt.attempt_time + settings.AXES_COOLOFF_TIME > real_now()
        locked = fresh and attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT
        return badge("Locked", "red") if locked else badge("May try", "green")

    @display(description="Failed log-ins")
    def failures(self, attempt: AccessAttempt) -> SafeString:
        return number(attempt.failures_since_start)

    @display(description="Last try")
    def last_try(self, attempt: AccessAttempt) -> SafeString:
        return moment(attempt.attempt_time)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"attempt": obj, "state": self.state(obj), "timeline": []}
