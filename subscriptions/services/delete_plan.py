"""Throwing a draft away."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from subscriptions.errors import NotADraft
from subscriptions.models import Plan


@transaction.atomic
def delete_plan(*, plan: Plan) -> None:
    """Mark the draft as deleted; its version number becomes free. `NotADraft` for a version that was published."""
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    if plan.deleted_at:
        return
    if plan.effective_from is not None:
        raise NotADraft(str(plan), "deleted", "Archive it instead: subscriptions may refer to it.")
    plan.deleted_at = clock.now()
    plan.save(update_fields=["deleted_at", "updated_at"])
    record(verb="plan.deleted", target=plan, did=f"deleted the draft of the plan {plan}")
