"""What a migration may do that its own author approves: no more than the same person could by pins, one by one."""

from django.conf import settings

from core.admin.words import counted
from core.approvals.errors import SecondPersonNeeded
from core.approvals.limits import count_all_alone, may_act_alone
from customers.tax_switch import TAX_OFF_RULE
from invoicing.choices import MoveVerdict
from invoicing.models import ProfileMigration
from invoicing.profile_moves.limit_moves import MOVE_RULE


def check_own_migration(migration: ProfileMigration) -> None:
    """Count who can move towards the person's day, and see whether one person may leave them without tax.

    `SecondPersonNeeded` beyond `MIGRATION_TWO_PERSON_ABOVE` and `TAX_OFF_TWO_PERSON_ABOVE`; nothing is changed. Call it
    in the transaction that approves.
    """
    if may_act_alone():
        return
    movable = migration.items.exclude(verdict=MoveVerdict.BLOCKED)
    if migration.from_profile.tax_enabled and not migration.to_profile.tax_enabled:
        follow = movable.filter(customer__billing_override__tax_enabled__isnull=True)
        taxed = list(follow.values_list("customer_id", flat=True)[: settings.TAX_OFF_TWO_PERSON_ABOVE + 1])
        if taxed and count_all_alone(TAX_OFF_RULE, taxed) > settings.TAX_OFF_TWO_PERSON_ABOVE:
            raise SecondPersonNeeded(
                f"The next invoices of {counted(follow.count(), 'customer')} would be without tax. You drafted this "
                "migration: somebody else must approve it. Nothing was changed."
            )
    moved = count_all_alone(MOVE_RULE, movable.values_list("customer_id", flat=True))
    if moved > (above := settings.MIGRATION_TWO_PERSON_ABOVE):
        raise SecondPersonNeeded(
            f"That makes {moved} customers moved by you within 24 hours, and one person moves {above} at most. You "
            "drafted this migration: somebody else must approve it. Nothing was changed."
        )
