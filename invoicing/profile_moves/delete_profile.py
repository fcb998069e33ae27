"""Deleting a billing profile that nobody needs any more."""

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from customers.errors import DefaultProfile, ProfileInUse
from customers.models import BillingProfile, CustomerOverride
from invoicing.customer_guards.open_business import open_invoices_of


@transaction.atomic
def delete_profile(*, profile: BillingProfile) -> None:
    """Delete softly: paid invoices keep naming it. Deleting again changes nothing.

    Raises `DefaultProfile`, and `ProfileInUse` while customers are pinned to it or open invoices need it (billing
    rules 5): it can be archived then.
    """
    profile = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    if profile.deleted_at is not None:
        return
    if profile.is_default:
        raise DefaultProfile(f"“{profile}” is the default profile and stays. Make another one the default first.")
    pins = CustomerOverride.objects.filter(billing_profile=profile, customer__deleted_at=None).count()
    invoices = open_invoices_of(profile).count()
    needs = [
        *([f"{counted(pins, 'customer is', 'customers are')} pinned to it"] if pins else []),
        *([f"{counted(invoices, 'open invoice needs', 'open invoices need')} it"] if invoices else []),
    ]
    if needs:
        raise ProfileInUse(f"“{profile}” was not deleted: {' and '.join(needs)}. Archive it instead.")
    now = clock.now()
    profile.deleted_at, profile.archived_at = now, profile.archived_at or now
    profile.save(update_fields=["deleted_at", "archived_at", "updated_at"])
    CustomerOverride.objects.filter(billing_profile=profile).update(billing_profile=None, updated_at=now)
    record(verb="billingprofile.deleted", target=profile, did=f"deleted billing profile {profile}")
