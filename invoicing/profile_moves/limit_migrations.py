"""What a migration may do that its own author approves: no more than the same person could by pins, one by one."""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet

from core.admin.words import counted
from core.approvals.errors import SecondPersonNeeded
from core.approvals.limits import count_all_alone, count_if_alone, done_alone, may_act_alone
from customers.effective_settings import profile_values, terms_of, terms_under
from customers.models import BillingProfile, Customer
from invoicing.choices import MoveVerdict
from invoicing.models import ProfileMigration
from invoicing.profile_moves.causes import Cause, CauseCode
from invoicing.profile_moves.limit_moves import MOVE_RULE
from invoicing.tax_guards.cuts import any_cuts, forget_cuts, judge_changes, remember_cuts
from invoicing.tax_guards.losses import worst
from invoicing.tax_guards.profile_losses import Losing, losing_under
from invoicing.tax_guards.tax_switch import TAX_OFF_RULE, changes_of, tax_off_effect


def check_own_migration(migration: ProfileMigration) -> None:
    """Count who can move towards the person's day, and see whether one person may leave them without tax.

    `SecondPersonNeeded` beyond `MIGRATION_TWO_PERSON_ABOVE` and `TAX_OFF_TWO_PERSON_ABOVE`; nothing is changed. Call it
    in the transaction that approves.
    """
    if may_act_alone():
        return
    movers = _movers(migration)
    losing = _losing(migration, movers)
    # In the order of a pin, which counts a move first: acts of one person wait for each other.
    moved = count_all_alone(MOVE_RULE, movers.values_list("pk", flat=True))
    above = settings.TAX_OFF_TWO_PERSON_ABOVE
    untaxed = count_all_alone(TAX_OFF_RULE, _first_of(losing, above + 1)) if losing else 0
    why_not = _why_not(losing, untaxed, moved)
    if why_not:
        raise SecondPersonNeeded(f"{why_not} Nothing was changed.")


def why_not_own_migration(migration: ProfileMigration) -> str:
    """The same for a page that says so beforehand: why the author can't approve it alone, "" where they can. Nothing is
    counted."""
    movers = _movers(migration)
    losing = _losing(migration, movers)
    ids = list(movers.values_list("pk", flat=True))
    reached = _first_of(losing, settings.TAX_OFF_TWO_PERSON_ABOVE + 1)
    untaxed = len(reached) + done_alone(TAX_OFF_RULE, besides=reached) if losing else 0
    return _why_not(losing, untaxed, len(ids) + done_alone(MOVE_RULE, besides=ids))


def _why_not(losing: Sequence[Losing], untaxed: int, moved: int) -> str:
    """Why one person can't do it who then took tax off `untaxed` customers within a day, and moved so many."""
    other = "You drafted this migration: somebody else must approve it."
    if untaxed > settings.TAX_OFF_TWO_PERSON_ABOVE:
        whose = counted(sum(group.many for group in losing), "customer")
        return f"{tax_off_effect(whose, worst(group.loss for group in losing))} {other}"
    above = settings.MIGRATION_TWO_PERSON_ABOVE
    if moved > above:
        return (
            f"That makes {moved} customers moved by you within 24 hours, and one person moves {above} at most. {other}"
        )
    return ""


def _movers(migration: ProfileMigration) -> QuerySet[Customer]:
    movable = migration.items.exclude(verdict=MoveVerdict.BLOCKED)
    return Customer.objects.filter(pk__in=movable.values("customer_id"))


def _losing(migration: ProfileMigration, movers: QuerySet[Customer]) -> list[Losing]:
    return losing_under(movers, profile_values(migration.from_profile), profile_values(migration.to_profile))


def left_without_tax(
    migration: ProfileMigration, customers: Sequence[Customer], target: BillingProfile
) -> dict[uuid.UUID, Cause]:
    """A block for each of these customers whom the move to `target` takes tax off, as of now, where one person alone
    approved it. What was changed since may have needed nobody: own settings, an address or a rate by which they
    keep their tax where they are.

    As many as that person may take tax off within a day go through, and are counted. What the move takes off the others
    adds up from then on, and where two approved it, it begins anew. Call it in the transaction of
    the move, behind the customers' locks. A constant number of queries.
    """
    if not customers:
        return {}
    ids = [customer.pk for customer in customers]
    if not migration.approved_alone and not any_cuts(ids):
        return {}
    before = {pk: terms.settings.values for pk, terms in terms_of(ids).items()}
    after = {pk: terms.settings.values for pk, terms in terms_under(ids, target).items()}
    changes = changes_of(customers, before, after)
    judged = judge_changes(changes)
    losses = {pk: loss for pk, loss in judged.items() if loss is not None}
    if not migration.approved_alone:
        forget_cuts(list(losses))
        return {}
    most = settings.TAX_OFF_TWO_PERSON_ABOVE
    if not losses or count_if_alone(TAX_OFF_RULE, losses, person=migration.approver, most=most):
        losses = {}
    remember_cuts((pk, changes[pk]) for pk in judged if pk not in losses)
    if not losses:
        return {}
    said = (
        f"by “{target}” as it is now. {migration.approver_name} drafted and approved this migration alone, so they "
        "stay where they are: pin them on their page, which a second person approves, or draft another migration, "
        "which somebody else approves."
    )
    return {pk: Cause(CauseCode.TAX_OFF, f"They would be {loss.of_supplies} {said}") for pk, loss in losses.items()}


def _first_of(groups: Sequence[Losing], most: int) -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    for group in groups:
        found += group.customers.values_list("pk", flat=True)[: most - len(found)]
        if len(found) >= most:
            break
    return found
