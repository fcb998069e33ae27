"""Gives an API key the scope to act without a second person."""

from django.db import transaction

from billing_site.access.choices import Scope
from billing_site.access.models import ApiKey
from core.approvals.limits import need_second_person
from core.audit.services.record import record


@transaction.atomic
def let_act_alone(*, key: ApiKey) -> ApiKey:
    """Add the scope `approvals:write`. Nobody gives it alone: `ApprovalNeeded`. Repeating it changes nothing."""
    key = ApiKey.objects.select_for_update().get(pk=key.pk)
    if key.allows(Scope.APPROVALS):
        return key
    need_second_person(
        rule="A second person approves that.",
        effect=f"Whoever holds the API key {key} could go beyond every limit of one person.",
    )
    before = key.scopes
    key.scopes = sorted({*before, Scope.APPROVALS.value})
    key.save(update_fields=["scopes"])
    record(
        verb="apikey.acts_alone",
        target=key,
        did=f"let the API key {key} act without a second person",
        changes={"scopes": [before, key.scopes]},
    )
    return key
