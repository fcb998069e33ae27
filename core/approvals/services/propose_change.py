"""Keeps a change that needs a second person until one decides."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction

from core.approvals.errors import ApprovalNeeded
from core.approvals.models import ChangeRequest, RequestStatus
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.clock import real_now
from core.locks import lock_alone

_PROPOSE_LOCK = 0x70726F70  # "prop": of two equal proposals at once, one is kept


@transaction.atomic
def propose_change(
    *, needed: ApprovalNeeded, what: str, place: Mapping[str, Any], answers: Sequence[Any], reason: str
) -> ChangeRequest:
    """The request that waits for a second person. Proposing the same again, while it waits, answers the same one."""
    actor = current_actor()
    said = json.dumps([actor.person, place, answers], sort_keys=True)
    digest = sha256(said.encode()).hexdigest()
    lock_alone(_PROPOSE_LOCK)
    waiting = ChangeRequest.objects.filter(digest=digest, status=RequestStatus.WAITING).first()
    if waiting is not None and not waiting.has_expired:
        return waiting
    if waiting is not None:
        ChangeRequest.objects.filter(pk=waiting.pk).update(status=RequestStatus.WITHDRAWN)
    request = ChangeRequest.objects.create(
        what=what[:300],
        rule=needed.rule,
        effect=needed.effect,
        reason=reason,
        place=dict(place),
        answers=list(answers),
        digest=digest,
        author=actor.person,
        author_name=actor.label,
        expires_at=real_now() + timedelta(days=settings.CHANGE_REQUEST_DAYS),
    )
    record(
        verb="changerequest.proposed",
        target=request,
        did=f"proposed to a second person: {request.what}. {request.effect}",
        reason=reason,
    )
    return request
