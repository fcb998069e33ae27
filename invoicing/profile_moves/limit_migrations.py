"""What a migration may do that its own author approves: no more than the same person could by pins, one by one."""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet

from core.admin.words import counted
from core.approvals.errors import SecondPersonNeeded
from core.approvals.limits import count_all_alone, count_if_alone, may_act_alone
from customers.effective_settings import profile_values, terms_of, terms_under
from customers.models import BillingProfile, Customer
from invoicing.choices import MoveVerdict
from invoicing.models import ProfileMigration
from invoicing.profile_moves.causes import Cause, CauseCode
from invoicing.profile_moves.limit_moves import MOVE_RULE
from invoicing.tax_guards.profile_losses import losing_under
from invoicing.tax_guards.tax_switch import TAX_OFF_RULE, who_loses_tax


def check_own_migration(migration: ProfileMigration) -> None:
    """Count who can move towards the person's day, and see whether one person may leave them without tax.

    `SecondPersonNeeded` beyond `MIGRATION_TWO_PERSON_ABOVE` and `TAX_OFF_TWO_PERSON_ABOVE`; nothing is changed. Call it
    in the transaction that approves.
    """
    if may_act_alone():
        return
    movable = migration.items.exclude(verdict=MoveVerdict.BLOCKED)
    movers = Customer.objects.filter(pk__in=movable.values("customer_id"))
    losing = losing_under(movers, profile_values(migration.from_profile), profile_values(migration.to_profile))
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    if losing and count_all_alone(TAX_OFF_RULE, _first_of(losing, above + 1)) > above:
        raise SecondPersonNeeded(
            f"The next invoices of {counted(sum(many for _, many in losing), 'customer')} would be without tax. You "
            "drafted this migration: somebody else must approve it. Nothing was changed."
        )
    moved = count_all_alone(MOVE_RULE, movable.values_list("customer_id", flat=True))
    if moved > (above := settings.MIGRATION_TWO_PERSON_ABOVE):
        raise SecondPersonNeeded(
            f"That makes {moved} customers moved by you within 24 hours, and one person moves {above} at most. You "
            "drafted this migration: somebody else must approve it. Nothing was changed."
        )


def left_without_tax(
    migration: ProfileMigration, customers: Sequence[Customer], target: BillingProfile
) -> dict[uuid.UUID, Cause]:
    """A block for each of these customers whom the move to `target` leaves without tax, as of now, where one person
    alone approved it. What was changed since may have needed nobody: own settings, an address or a rate by which they
    keep their tax where they are.

    As many as that person may leave without tax within a day go through, and are counted. Call it in the transaction of
    the move, behind the customers' locks. A constant number of queries.
    """
    if not migration.approved_alone or not customers:
        return {}
    ids = [customer.pk for customer in customers]
    before = {pk: terms.settings.values for pk, terms in terms_of(ids).items()}
    after = {pk: terms.settings.values for pk, terms in terms_under(ids, target).items()}
    losing = [customer.pk for customer in who_loses_tax(customers, before, after)]
    most = settings.TAX_OFF_TWO_PERSON_ABOVE
    if not losing or count_if_alone(TAX_OFF_RULE, losing, person=migration.approver, most=most):
        return {}
    message = (
        f"They would be billed without tax by “{target}” as it is now. {migration.approver_name} drafted and approved "
        "this migration alone, so they stay where they are: pin them on their page, which a second person approves, or "
        "draft another migration, which somebody else approves."
    )
    return dict.fromkeys(losing, Cause(CauseCode.TAX_OFF, message))


def _first_of(groups: Sequence[tuple[QuerySet[Customer], int]], most: int) -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    for customers, _ in groups:
        found += customers.values_list("pk", flat=True)[: most - len(found)]
        if len(found) >= most:
            break
    return found
