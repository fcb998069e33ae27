"""Creates and replaces billing profiles, with what no lower package knows: who is billed by them."""

from django.db import transaction

from core.errors import Conflict, field_error
from core.locks import lock_every_customer
from customers.errors import DefaultProfile
from customers.models import BillingProfile, Supplier
from customers.services.profile_input import ProfileInput
from customers.services.record_new_profile import record_new_profile
from customers.services.record_profile import record_profile
from customers.services.save_supplier import create_supplier, find_supplier, update_supplier
from invoicing.customer_guards.open_business import with_open_business
from invoicing.profile_moves.limit_profile_changes import check_profile_change
from invoicing.profile_moves.make_default_profile import make_default_profile


@transaction.atomic
def create_profile(*, profile: ProfileInput) -> BillingProfile:
    """Store a new profile; where it says so, it becomes the default (billing rules 5).

    Raises `InvalidInput` naming every field at fault, and Conflict for a supplier that is known otherwise.
    """
    if profile.default:
        # Before the supplier's lock, in the order of whoever updates a profile.
        lock_every_customer()
    created = record_new_profile(profile=profile)
    if profile.default:
        make_default_profile(profile=created)
        created.refresh_from_db()
    return created


@transaction.atomic
def update_profile(*, profile: BillingProfile, replacement: ProfileInput) -> BillingProfile:
    """Replace everything but the app; it may become the default, and stays it until another one does.

    The supplier's data, where they name no other one, correct the profile's own supplier. Another supplier is refused
    (Conflict) while customers with open business are billed by the profile: they would change the number series and
    the legal entity that they deal with, and that is a move. Raises `InvalidInput`, `DefaultProfile`,
    `ProfileDeleted`, PreconditionFailed where an archived profile is to be the default.
    """
    # Customers before profiles, and no close by the rhythm that counts no more. Whatever is said: whether that changes
    # the rhythm shows once the row is locked, which is too late.
    lock_every_customer()
    locked = BillingProfile.objects.select_for_update(of=("self",)).select_related("supplier", "app")
    profile = locked.get(pk=profile.pk)
    if profile.is_default and not replacement.default:
        raise DefaultProfile(
            f"“{profile}” is the default profile, and there is always one. Nothing was changed: make another profile "
            "the default instead."
        )
    supplier = _supplier_of(profile, replacement)
    check_profile_change(profile, replacement, supplier)
    profile = record_profile(profile=profile, replacement=replacement, supplier=supplier)
    if replacement.default and not profile.is_default:
        make_default_profile(profile=profile)
        profile.refresh_from_db()
    return profile


def _supplier_of(profile: BillingProfile, replacement: ProfileInput) -> Supplier:
    """The supplier that the replacement means, corrected or created where it says so."""
    said, present = replacement.supplier, profile.supplier
    found = find_supplier(said)
    if found is None and said.id is not None:
        raise field_error("supplier.id", "unknown_supplier", "There is no such supplier. Nothing was changed.")
    if found is None and (said.key is None or present.key is None):
        found = present
    if found == present:
        return (
            update_supplier(supplier=present, replacement=said, where="supplier.")
            if said.says_more_than_who()
            else present
        )
    affected = with_open_business(profile)
    if affected:
        raise Conflict(
            f"“{profile}” keeps its supplier {present}: {affected} of its customers have open business with it. "
            "Nothing was changed. Create a profile of the other supplier, and move them there.",
            code="supplier_in_use",
        )
    if found is None:
        return create_supplier(supplier=said, where="supplier.")
    if said.says_more_than_who() and not said.describes(found):
        raise Conflict(
            f"The supplier {found.key or found} is known otherwise than described. Nothing was changed: name it by its "
            "id or key alone, or change it first.",
            code="supplier_differs",
        )
    return found
