"""Adding a plan, or the next version of one."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import Max

from core.audit.services.record import record
from subscriptions.catalog.plan_selectors import checked_terms, terms_of_plan
from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.catalog.save_plan_phases import save_plan_phases
from subscriptions.errors import DraftExists
from subscriptions.models import Plan


@transaction.atomic
def create_plan(
    *, key: str, terms: PlanTerms, description: str | None = None, metadata: Mapping[str, str] | None = None
) -> Plan:
    """Store a draft: version 1 of a new plan, or the next version of the one with this key.

    InvalidInput lists every rule that is broken; `DraftExists` (Conflict) where there is a draft already.
    """
    terms = checked_terms(terms)
    versions = Plan.objects.filter(key=key, deleted_at=None)
    if versions.filter(effective_from=None).exists():
        raise DraftExists(key)
    newest = versions.aggregate(newest=Max("version"))["newest"] or 0
    plan = Plan(
        key=key,
        version=newest + 1,
        name=terms.name,
        description=description,
        metadata=dict(metadata or {}),
        currency=terms.currency,
        billing_cadence=terms.billing_cadence,
        pro_rating_enabled=terms.pro_rating_enabled,
        settlement_mode=terms.settlement_mode,
    )
    try:
        with transaction.atomic():
            plan.save()
    except IntegrityError as error:  # another draft was made in the same moment
        raise DraftExists(key) from error
    save_plan_phases(plan=plan, terms=terms)
    record(verb="plan.created", target=plan, did=f"drafted the plan {plan}")
    return plan


def create_next_version(*, plan: Plan) -> Plan:
    """Store a draft that copies `plan`, to be changed and published in its place."""
    return create_plan(key=plan.key, terms=terms_of_plan(plan), description=plan.description, metadata=plan.metadata)
