"""Takes one moved customer back to where they were, until their next invoice exists (billing rules 5)."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.locks import lock_customers
from customers.models import Customer, CustomerOverride
from invoicing.choices import InvoiceStatus, MoveOutcome
from invoicing.errors import WrongMigrationState
from invoicing.models import Invoice, MigrationItem, ProfileMigration


@transaction.atomic
def take_back(*, migration: ProfileMigration, customer: Customer, reason: str = "") -> MigrationItem:
    """Undo one move. Taking back again changes nothing.

    Raises `WrongMigrationState` for a customer who was not moved, who was billed by the target since (their next
    invoice exists, be it a draft), or whose profile was changed since.
    """
    lock_customers([customer.pk])
    item = migration.items.select_for_update(of=("self",)).select_related("pinned_before").get(customer=customer)
    if item.outcome == MoveOutcome.TAKEN_BACK:
        return item
    source, target = migration.from_profile, migration.to_profile
    if item.outcome != MoveOutcome.MOVED:
        raise WrongMigrationState(
            f"{customer} is {item.get_outcome_display().lower()} in this migration, so there is nothing to take back."
        )
    invoices = Invoice.objects.filter(customer=customer, profile=target, created_at__gte=item.moved_at)
    since = invoices.exclude(status__in=[InvoiceStatus.GATHERING, InvoiceStatus.DELETED]).order_by("created_at").first()
    if since is not None:
        raise WrongMigrationState(
            f"{customer} stays on “{target}”: their next invoice exists ({since}). Move them by another migration."
        )
    override = CustomerOverride.objects.select_for_update().get(customer=customer)
    if override.billing_profile_id != target.pk:
        raise WrongMigrationState(f"The profile of {customer} was changed since. Nothing was changed: see their page.")
    # Who followed the default follows it again only if it still is the profile that they left.
    followed = item.pinned_before is None and source.is_default
    override.billing_profile = None if followed else item.pinned_before or source
    override.save(update_fields=["billing_profile", "updated_at"])
    item.outcome, item.updated_at = MoveOutcome.TAKEN_BACK, clock.now()
    item.save(update_fields=["outcome", "updated_at"])
    record(
        verb="customer.taken_back",
        target=customer,
        did=f"took {customer} back from “{target}” to “{source}”",
        reason=reason,
        changes={"billing_profile": [str(target), str(source)]},
        customer_id=customer.pk,
    )
    return item
