"""Takes one moved customer back to where they were, until their next invoice exists (billing rules 5)."""

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.locks import lock_customers
from customers.errors import ProfileArchived
from customers.models import BillingProfile, Customer, CustomerOverride
from invoicing.choices import NO_DOCUMENTS, MoveOutcome
from invoicing.errors import MoveBlocked, WrongMigrationState
from invoicing.models import Invoice, MigrationItem, ProfileMigration
from invoicing.profile_moves.ask_app import ask_app
from invoicing.profile_moves.causes import Severity
from invoicing.profile_moves.check_customers import check_customers
from invoicing.profile_moves.limit_moves import count_move
from invoicing.tax_guards.tax_switch import noticing_tax_off


def take_back(*, migration: ProfileMigration, customer: Customer, reason: str = "") -> MigrationItem:
    """Undo one move. Call it outside of a transaction: the app may be asked.

    Raises `WrongMigrationState` for a customer who was not moved, who was billed by the target since (their next
    invoice exists, be it a draft), or whose profile was changed since; `ProfileArchived`; and `MoveBlocked`, since it
    is a move with the same checks. `TooManyMoves` beyond what one person moves within a day, and `ApprovalNeeded` where
    the customer would be billed without tax by it.
    """
    source = BillingProfile.objects.select_related("supplier", "app").get(pk=migration.from_profile_id)
    moved = migration.items.filter(customer=customer, outcome=MoveOutcome.MOVED).exists()
    answers = ask_app([customer.pk], app=source.app) if moved else {}
    with transaction.atomic():
        lock_customers([customer.pk])
        item = migration.items.select_for_update(of=("self",)).select_related("pinned_before").get(customer=customer)
        override = _undoable(migration, item, customer)
        source = BillingProfile.objects.select_for_update(of=("self",), no_key=True).get(pk=source.pk)
        if source.archived_at is not None:
            raise ProfileArchived(
                f"The profile “{source}” is archived. {customer} stays on “{migration.to_profile}”: take it into use "
                "again first."
            )
        causes = check_customers([customer.pk], target=source, answers=answers, now=clock.now())[customer.pk]
        blocks = [cause for cause in causes if cause.severity == Severity.BLOCKED]
        if blocks:
            raise MoveBlocked(
                f"{customer} stays on “{migration.to_profile}” and was not taken back to “{source}”. "
                + " ".join(cause.message for cause in blocks),
                context={"causes": [cause.code.value for cause in blocks]},
            )
        # Who followed the default follows it again only if it still is the profile that they left.
        followed = item.pinned_before is None and source.is_default
        override.billing_profile = None if followed else item.pinned_before or source
        count_move(customer, item.pinned_before or source)
        with noticing_tax_off(customer):
            override.save(update_fields=["billing_profile", "updated_at"])
        item.outcome, item.updated_at = MoveOutcome.TAKEN_BACK, clock.now()
        item.save(update_fields=["outcome", "updated_at"])
        record(
            verb="customer.taken_back",
            target=customer,
            did=f"took {customer} back from “{migration.to_profile}” to “{source}”",
            reason=reason,
            changes={"billing_profile": [str(migration.to_profile), str(source)]},
            customer_id=customer.pk,
        )
        return item


def _undoable(migration: ProfileMigration, item: MigrationItem, customer: Customer) -> CustomerOverride:
    """The customer's override, locked, if their move can be undone."""
    target = migration.to_profile
    if item.outcome != MoveOutcome.MOVED:
        raise WrongMigrationState(
            f"{customer} is {item.get_outcome_display().lower()} in this migration, so there is nothing to take back."
        )
    invoices = Invoice.objects.filter(customer=customer, profile=target, created_at__gte=item.moved_at)
    since = invoices.exclude(status__in=NO_DOCUMENTS).order_by("created_at").first()
    if since is not None:
        raise WrongMigrationState(
            f"{customer} stays on “{target}”: their next invoice exists ({since}). Move them by another migration."
        )
    override = CustomerOverride.objects.select_for_update().get(customer=customer)
    if override.billing_profile_id != target.pk:
        raise WrongMigrationState(f"The profile of {customer} was changed since. Nothing was changed: see their page.")
    return override
