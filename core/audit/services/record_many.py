"""Adds many acts of one kind to the audit trail at once: one statement, whatever the number."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from core.audit.actors import current_actor
from core.audit.models import AuditEntry
from core.audit.reasons import current_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act, as `record` takes it."""

    target: models.Model
    did: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    customer_id: uuid.UUID | None = None


def record_many(*, verb: str, acts: Iterable[Act], reason: str = "") -> None:
    """Record that the current actor did all of `acts`. Call it in the transaction of the acts themselves."""
    actor = current_actor()
    AuditEntry.objects.bulk_create(
        AuditEntry(
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_label=actor.label,
            verb=verb,
            target_type=act.target._meta.label_lower,
            target_id=act.target.pk,
            target_label=str(act.target)[:300],
            customer_id=act.customer_id,
            sentence=f"{actor.label} {act.did.rstrip('.')}.",
            reason=reason or current_reason(),
            changes=dict(act.changes),
        )
        for act in acts
    )
