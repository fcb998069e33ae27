"""Changing a part of a draft: what others change of it in the same moment is kept."""

from collections.abc import Callable

from django.db import transaction

from subscriptions.catalog.plan_selectors import terms_of_plan
from subscriptions.catalog.plan_terms import PlanTerms
from subscriptions.catalog.update_plan import update_plan
from subscriptions.models import Plan


@transaction.atomic
def revise_draft(
    *, plan: Plan, change: Callable[[PlanTerms], PlanTerms], description: str | None = None, did: str
) -> Plan:
    """Replace the draft's terms by what `change` makes of those of now, read behind its lock; and its description,
    where one is given.

    As `update_plan`, which says what `did` is: `NotADraft` for a version that was published, InvalidInput where a rule
    is broken. What `change` raises leaves the draft as it was.
    """
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    terms = change(terms_of_plan(plan))
    return update_plan(
        plan=plan,
        terms=terms,
        description=plan.description if description is None else description or None,
        metadata=plan.metadata,
        did=did,
    )
