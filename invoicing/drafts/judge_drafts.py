"""Looks at drafts that wait for approval, and stores what is unusual about each, so that lists need only read it.

Whatever changes a draft forgets what was stored (`corrections/retax_drafts.py`, `lifecycle/look_anew.py`); whoever
looks next finds it by that. By any number of workers at once: each holds the rows that it looks at, and passes over
those that others hold.
"""

import logging
import math
import time
import uuid
from collections.abc import Collection, Sequence

from django.db import transaction

from core.batches import together_or_alone
from core.bulk import update_rows
from core.jsontext import canonical_json
from invoicing.drafts.anomalies import anomalies_of, rank_of
from invoicing.drafts.draft_facts import draft_facts
from invoicing.lifecycle.draft_steps import TO_APPROVE
from invoicing.models import Invoice

logger = logging.getLogger(__name__)

BATCH_SIZE = 250
SECONDS = 20.0


def judge_waiting(*, seconds: float = math.inf) -> int:
    """Look at every draft that waits for approval and that nobody has looked at since it changed, until none is left or
    `seconds` have passed. Returns how many were looked at. One that can't be judged stays, and stops no other."""
    ends_at = time.monotonic() + seconds
    judged = 0
    failed: set[uuid.UUID] = set()
    while True:
        waiting = Invoice.objects.filter(status__in=TO_APPROVE, anomaly_rank__isnull=True)
        waiting = waiting.exclude(pk__in=failed).order_by("-anomaly_rank", "id")
        ids = list(waiting.values_list("id", flat=True)[:BATCH_SIZE])
        if not ids:
            return judged

        def leave(invoice_id: uuid.UUID, error: Exception) -> set[uuid.UUID]:
            logger.warning("draft %s can't be judged", invoice_id, exc_info=error)
            return set()

        done: set[uuid.UUID] = set().union(*together_or_alone(ids, act=judge_drafts, fail=leave))
        judged += len(done)
        # Those that another worker holds are its own.
        failed |= set(ids) - done
        if time.monotonic() > ends_at:
            return judged


@transaction.atomic
def judge_drafts(invoice_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Store what is unusual about those of these drafts that wait for approval. Returns which were looked at: not those
    whose rows another transaction holds. Eight queries."""
    rows = Invoice.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk__in=invoice_ids, status__in=TO_APPROVE
    )
    return _judge(list(rows.order_by("id").values_list("id", flat=True)))


def judge_held(invoice_id: uuid.UUID) -> None:
    """The same for one draft whose row the caller's transaction holds, if it waits for approval."""
    _judge(list(Invoice.objects.filter(pk=invoice_id, status__in=TO_APPROVE).values_list("id", flat=True)))


def _judge(draft_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    if not draft_ids:
        return set()
    facts = draft_facts(draft_ids)
    stored = []
    for draft_id in draft_ids:
        anomalies = anomalies_of(facts[draft_id]) if draft_id in facts else []
        stored.append([draft_id, canonical_json([each.to_json() for each in anomalies]), rank_of(anomalies)])
    update_rows(Invoice, ("anomalies", "anomaly_rank"), stored)
    return set(draft_ids)
