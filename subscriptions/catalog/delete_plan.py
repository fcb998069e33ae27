"""Throwing a draft away."""

from django.db import transaction

from subscriptions.catalog.sell_version import locked_version, throw_away
from subscriptions.errors import NotADraft
from subscriptions.models import Plan


@transaction.atomic
def delete_plan(*, plan: Plan) -> None:
    """Mark the draft as deleted; its version number becomes free. `NotADraft` for a version that was published."""
    throw_away(locked_version(plan), what="plan", refusal=NotADraft)
