"""Makes another billing profile the default, without moving anyone to another billing app or supplier."""

from django.db import transaction
from django.db.models import Q, QuerySet

from core import clock
from core.audit.services.record import record
from core.errors import PreconditionFailed
from core.locks import lock_every_customer
from customers.effective_settings import default_profile
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.profile_moves.limit_profile_changes import check_default_switch, note_default_switch
from subscriptions.lifecycle.states import still_billed
from subscriptions.models import Subscription

BATCH = 1000


def customers_kept(profile: BillingProfile) -> int:
    """How many customers `make_default_profile` would pin to the present default."""
    return _would_change_parties(default_profile(), profile).count()


def foresee_switch(profile: BillingProfile) -> None:
    """`ApprovalNeeded` where one person may not make `profile` the default. For pages that say so beforehand."""
    old = default_profile()
    check_default_switch(old, profile, _would_change_parties(old, profile))


@transaction.atomic
def make_default_profile(*, profile: BillingProfile, reason: str = "") -> int:
    """Make `profile` the default; how many customers were pinned to the old one (billing rules 5).

    Those are the customers without a pin who have a subscription that is yet to be billed, where the two profiles
    collect through different apps or bill for different suppliers: nobody is moved across either silently. Repeating it
    changes nothing. PreconditionFailed for an archived profile.
    """
    # No close may go by the old default's rhythm of collection once the new one counts, and switches queue up, so that
    # each pins by the default that it replaces. Customers before profiles, and before any other lock.
    lock_every_customer()
    # Both rows, in id order: whoever pins to one of them, or archives it, waits.
    locked = BillingProfile.objects.select_for_update().filter(Q(is_default=True) | Q(pk=profile.pk)).order_by("pk")
    profiles = {row.pk: row for row in locked}
    new = profiles[profile.pk]
    old = next((row for row in profiles.values() if row.is_default), None)
    if old == new:
        return 0
    if new.archived_at is not None:
        raise PreconditionFailed(
            f"“{new}” is archived, so it can't be the default. Nothing was changed: take it into use again first.",
            code="profile_archived",
        )
    if old is not None:
        staying = _would_change_parties(old, new)
        check_default_switch(old, new, staying)
        note_default_switch(old, new, staying)
    kept = _pin_to(old, _would_change_parties(old, new)) if old is not None else 0
    now = clock.now()
    BillingProfile.objects.filter(is_default=True).update(is_default=False, updated_at=now)
    BillingProfile.objects.filter(pk=new.pk).update(is_default=True, updated_at=now)
    before = f"“{old}”" if old else "nothing"
    record(
        verb="billingprofile.made_default",
        target=new,
        did=f"made “{new}” the default profile instead of {before}; customers pinned to the old one: {kept}",
        reason=reason,
        changes={"default": [str(old) if old else None, str(new)], "pinned": [0, kept]},
    )
    return kept


def _would_change_parties(old: BillingProfile, new: BillingProfile) -> QuerySet[Customer]:
    if (old.app_id, old.supplier_id) == (new.app_id, new.supplier_id):
        return Customer.objects.none()
    live = Subscription.objects.filter(still_billed(clock.now())).values("customer_id")
    return Customer.objects.filter(pk__in=live, deleted_at__isnull=True, billing_override__billing_profile__isnull=True)


def _pin_to(profile: BillingProfile, unpinned: QuerySet[Customer]) -> int:
    """Pin these customers in bulk; the one sentence of the switch stands for all of them in the audit trail.

    Who is pinned by somebody else meanwhile keeps that pin, hence the conditions and the second look.
    """
    pinned = 0
    while batch := list(unpinned.order_by("id").values_list("pk", flat=True)[:BATCH]):
        known = CustomerOverride.objects.filter(customer_id__in=batch, billing_profile=None)
        pinned += known.update(billing_profile=profile, updated_at=clock.now())
        have = set(CustomerOverride.objects.filter(customer_id__in=batch).values_list("customer_id", flat=True))
        rows = [CustomerOverride(customer_id=pk, billing_profile=profile) for pk in batch if pk not in have]
        CustomerOverride.objects.bulk_create(rows, ignore_conflicts=True)
        pinned += CustomerOverride.objects.filter(pk__in=[row.pk for row in rows]).count()
    return pinned
