"""Adds one act to the audit trail."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import models

from core.audit.actors import current_actor
from core.audit.models import AuditEntry
from core.audit.reasons import current_reason


def record(
    *,
    verb: str,
    target: models.Model,
    did: str,
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
    customer_id: uuid.UUID | None = None,
) -> AuditEntry:
    """Record that the current actor `did` something to `target`.

    `did` continues the actor's name: "pinned Acme to Enterprise" becomes "Ada Byron pinned Acme to Enterprise."
    `reason` is the one given here, else that of `because`. `changes` maps a field to `[before, after]`, in JSON
    values. Call it in the transaction of the act itself.
    """
    actor = current_actor()
    return AuditEntry.objects.create(
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        verb=verb,
        target_type=target._meta.label_lower,
        target_id=target.pk if isinstance(target.pk, uuid.UUID) else None,
        target_label=str(target)[:300],
        customer_id=customer_id,
        sentence=f"{actor.label} {did.rstrip('.')}.",
        reason=reason or current_reason(),
        changes=dict(changes or {}),
    )
