"""Gives an API key a scope that nobody gives alone."""

from collections.abc import Mapping
from typing import Final

from django.db import transaction

from billing_site.access.choices import Scope
from billing_site.access.models import ApiKey
from core.approvals.limits import need_second_person
from core.audit.services.record import record

_EFFECTS: Final[Mapping[Scope, str]] = {
    Scope.APPROVALS: "Whoever holds the API key {} could go beyond every limit of one person.",
    Scope.SETUP: "Whoever holds the API key {} could set customers up without tax, and say where they live.",
}
_DID: Final[Mapping[Scope, tuple[str, str]]] = {
    Scope.APPROVALS: ("apikey.acts_alone", "let the API key {} act without a second person"),
    Scope.SETUP: ("apikey.is_program", "let the API key {} set customers up as a program"),
}


@transaction.atomic
def give_scope(*, key: ApiKey, scope: Scope) -> ApiKey:
    """Add one of `choices.APPROVED_SCOPES`. Nobody gives it alone: `ApprovalNeeded`. Repeating it changes nothing."""
    key = ApiKey.objects.select_for_update().get(pk=key.pk)
    if key.allows(scope):
        return key
    need_second_person(rule="A second person approves that.", effect=_EFFECTS[scope].format(key))
    before = key.scopes
    key.scopes = sorted({*before, scope.value})
    key.save(update_fields=["scopes"])
    verb, did = _DID[scope]
    record(verb=verb, target=key, did=did.format(key), changes={"scopes": [before, key.scopes]})
    return key
