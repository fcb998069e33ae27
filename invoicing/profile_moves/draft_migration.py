"""Drafts a profile migration: from where, to where, for whom."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from core.audit.actors import current_actor
from core.audit.services.record import record
from core.errors import field_error
from core.ids import from_text
from customers.errors import ProfileArchived
from customers.models import BillingProfile, Customer
from invoicing.models import ProfileMigration


@transaction.atomic
def draft_migration(
    *, from_profile: BillingProfile, to_profile: BillingProfile, criteria: Mapping[str, Any], reason: str = ""
) -> ProfileMigration:
    """A new draft; nobody is looked at yet. `criteria` are those of `customers_matching`.

    Raises `InvalidInput` for a move to the same profile and for customers that there are not, `ProfileArchived`.
    """
    if from_profile.pk == to_profile.pk:
        raise field_error("toProfileId", "same_profile", "A move must lead to another profile. Nothing was saved.")
    if to_profile.archived_at is not None:
        raise ProfileArchived(f"The profile “{to_profile}” is archived, so nobody can move there. Nothing was saved.")
    wanted = {known for text in criteria.get("customerId", ()) if (known := from_text(text)) is not None}
    found = Customer.objects.filter(pk__in=wanted, deleted_at=None).count()
    if found != len(set(criteria.get("customerId", ()))):
        unknown = "Some of these customers don't exist. Nothing was saved."
        raise field_error("customers.customerId", "unknown_customer", unknown)
    actor = current_actor()
    migration = ProfileMigration.objects.create(
        from_profile=from_profile,
        to_profile=to_profile,
        criteria=dict(criteria),
        author=actor.person,
        author_name=actor.label,
    )
    record(verb="profilemigration.drafted", target=migration, did=f"drafted {migration.in_words}", reason=reason)
    return migration
