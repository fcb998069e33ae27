"""Takes a billing profile out of use, and back into it."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import PreconditionFailed
from customers.errors import DefaultProfile, ProfileDeleted
from customers.models import BillingProfile


@transaction.atomic
def archive_profile(*, profile: BillingProfile, reason: str) -> None:
    """Nobody new can be pinned to the profile; who is pinned stays.

    Raises `DefaultProfile` for the default, PreconditionFailed for one that is archived already.
    """
    profile = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    if profile.is_default:
        raise DefaultProfile(
            f"“{profile}” is the default profile and stays in use. Make another one the default first."
        )
    if profile.archived_at is not None:
        raise PreconditionFailed(f"“{profile}” is archived already. Nothing was changed.", code="profile_archived")
    profile.archived_at = clock.now()
    profile.save(update_fields=["archived_at", "updated_at"])
    record(verb="billingprofile.archived", target=profile, did=f"archived the profile “{profile}”", reason=reason)


@transaction.atomic
def restore_profile(*, profile: BillingProfile, reason: str) -> None:
    """The profile can be used again. Raises `ProfileDeleted`, and PreconditionFailed for one that is in use."""
    profile = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    if profile.deleted_at is not None:
        raise ProfileDeleted(f"The profile “{profile}” was deleted for good. Create it anew.")
    if profile.archived_at is None:
        raise PreconditionFailed(
            f"“{profile}” is in use: it is not archived. Nothing was changed.", code="not_archived"
        )
    profile.archived_at = None
    profile.save(update_fields=["archived_at", "updated_at"])
    record(verb="billingprofile.restored", target=profile, did=f"restored the profile “{profile}”", reason=reason)
