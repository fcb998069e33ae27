"""Putting a plan on sale, and taking it off."""

from django.db import transaction

from subscriptions.catalog.plan_selectors import checked_terms, terms_of_plan
from subscriptions.catalog.sell_version import locked_version, put_on_sale, take_off_sale
from subscriptions.errors import NotADraft
from subscriptions.models import Plan


@transaction.atomic
def publish_plan(*, plan: Plan) -> Plan:
    """Put the draft on sale from now on; the version that was on sale until now is archived.

    `NotADraft` (PreconditionFailed) for a version that was published before; InvalidInput where the catalog changed
    so that it breaks a rule (a feature was archived).
    """
    plan = locked_version(plan)
    if plan.effective_from is not None:
        raise NotADraft(str(plan), "published", "Make its next version and publish that.")
    checked_terms(terms_of_plan(plan))
    put_on_sale(plan, what="plan")
    return plan


@transaction.atomic
def archive_plan(*, plan: Plan) -> Plan:
    """Take the version off sale now. Subscriptions to it go on. `NotOnSale` for one that isn't active."""
    plan = locked_version(plan)
    take_off_sale(plan, what="plan")
    return plan
