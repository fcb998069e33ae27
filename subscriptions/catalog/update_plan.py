"""Replacing a draft."""

from collections.abc import Mapping
from dataclasses import replace

from django.db import transaction

from core.audit.services.record import record
from subscriptions.catalog.plan_selectors import checked_terms
from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.catalog.save_plan_phases import save_plan_phases
from subscriptions.errors import NotADraft
from subscriptions.models import Plan


@transaction.atomic
def update_plan(
    *,
    plan: Plan,
    terms: PlanTerms,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
    did: str = "changed the draft",
) -> Plan:
    """Replace everything but the key and the currency. InvalidInput lists every rule that is broken.

    `did` begins the sentence in the audit trail.

    `NotADraft` (PreconditionFailed) for a version that was published.
    """
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    if plan.effective_from is not None:
        raise NotADraft(str(plan), "changed", "Make its next version and change that.")
    terms = checked_terms(replace(terms, currency=plan.currency))
    plan.name, plan.description, plan.metadata = terms.name, description, dict(metadata or {})
    plan.billing_cadence = terms.billing_cadence
    plan.pro_rating_enabled = terms.pro_rating_enabled
    plan.settlement_mode = terms.settlement_mode
    plan.save()
    save_plan_phases(plan=plan, terms=terms)
    record(verb="plan.updated", target=plan, did=f"{did} of the plan {plan}")
    return plan
