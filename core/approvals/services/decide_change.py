"""Decides a change request: approved and done at once, declined, or withdrawn."""

from collections.abc import Callable

from django.db import transaction

from core.approvals.errors import SecondPersonNeeded, WrongRequestState
from core.approvals.limits import approved
from core.approvals.models import ChangeRequest, RequestStatus
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.clock import real_now
from core.errors import Forbidden


@transaction.atomic
def approve_change(*, request: ChangeRequest, apply: Callable[[ChangeRequest], str], reason: str) -> str:
    """Carry the change out in this very transaction, by `apply`, and say what it did; once only.

    What `apply` raises leaves the request waiting, and nothing done. `SecondPersonNeeded` for the author, by whatever
    log-in or key; `WrongRequestState` where it is decided, or has expired.
    """
    request = _waiting(request)
    if request.author == current_actor().person:
        raise SecondPersonNeeded(
            f"{request.author_name} proposed this: somebody else must approve it. Nothing was done."
        )
    # Before what it does, as in the trail it should be read.
    _decide(request, RequestStatus.APPLIED, reason, f"approved what {request.author_name} proposed: {request.what}")
    with approved():
        return apply(request)


@transaction.atomic
def decline_change(*, request: ChangeRequest, reason: str) -> None:
    """It is not done. The author withdraws instead. Raises as `approve_change`."""
    request = _waiting(request)
    if request.author == current_actor().person:
        raise SecondPersonNeeded("You proposed this: withdraw it instead. Nothing was done.")
    _decide(request, RequestStatus.DECLINED, reason, f"declined what {request.author_name} proposed: {request.what}")


@transaction.atomic
def withdraw_change(*, request: ChangeRequest, reason: str) -> None:
    """Its author takes it back. Forbidden to others, who decline; `WrongRequestState` where it is decided."""
    request = _waiting(request, although_expired=True)
    if request.author != current_actor().person:
        raise Forbidden(
            f"{request.author_name} proposed this: only they withdraw it. Nothing was done.", code="not_yours"
        )
    _decide(request, RequestStatus.WITHDRAWN, reason, f"withdrew the proposal: {request.what}")


def _waiting(request: ChangeRequest, *, although_expired: bool = False) -> ChangeRequest:
    request = ChangeRequest.objects.select_for_update().get(pk=request.pk)
    if request.status != RequestStatus.WAITING:
        state = f"{request.get_status_display().lower()} by {request.decided_name}"
        raise WrongRequestState(f"“{request}” is {state} already. Nothing was done.")
    if request.has_expired and not although_expired:
        raise WrongRequestState(f"“{request}” has expired. Nothing was done: it must be proposed anew.")
    return request


def _decide(request: ChangeRequest, status: RequestStatus, reason: str, did: str) -> None:
    actor = current_actor()
    request.status, request.decided_at = status, real_now()
    request.decided_by, request.decided_name, request.decision_reason = actor.person, actor.label, reason
    request.save()
    record(verb=f"changerequest.{status.value}", target=request, did=did, reason=reason)
