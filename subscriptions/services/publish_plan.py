"""Putting a plan on sale, and taking it off."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from subscriptions.choices import PlanStatus
from subscriptions.errors import NotADraft, NotOnSale
from subscriptions.models import Plan
from subscriptions.plan_selectors import checked_terms
from subscriptions.selectors import terms_of_plan


@transaction.atomic
def publish_plan(*, plan: Plan) -> Plan:
    """Put the draft on sale from now on; the version that was on sale until now is archived.

    `NotADraft` (PreconditionFailed) for a version that was published before; InvalidInput where the catalog changed
    so that it breaks a rule (a feature was archived).
    """
    plan = _locked(plan)
    if plan.effective_from is not None:
        raise NotADraft(str(plan), "published", "Make its next version and publish that.")
    checked_terms(terms_of_plan(plan))
    now = clock.now()
    before = Plan.objects.filter(key=plan.key, deleted_at=None, effective_from__isnull=False, effective_to=None)
    for version in before:
        version.effective_to = max(now, version.effective_from) if version.effective_from else now
        version.save(update_fields=["effective_to", "updated_at"])
    plan.effective_from = now
    plan.save(update_fields=["effective_from", "updated_at"])
    record(verb="plan.published", target=plan, did=f"published the plan {plan}")
    return plan


@transaction.atomic
def archive_plan(*, plan: Plan) -> Plan:
    """Take the version off sale now. Subscriptions to it go on. `NotOnSale` for one that isn't active."""
    plan = _locked(plan)
    now = clock.now()
    if plan.status_at(now) not in (PlanStatus.ACTIVE, PlanStatus.SCHEDULED):
        raise NotOnSale(str(plan), plan.status_at(now))
    plan.effective_to = now
    plan.save(update_fields=["effective_to", "updated_at"])
    record(verb="plan.archived", target=plan, did=f"archived the plan {plan}")
    return plan


def _locked(plan: Plan) -> Plan:
    # All versions, in one order: publishing one ends another.
    versions = Plan.objects.select_for_update().filter(key=plan.key).order_by("pk")
    return next(version for version in versions if version.pk == plan.pk)
