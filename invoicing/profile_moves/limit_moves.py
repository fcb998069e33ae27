"""How many customers one person moves between profiles within a day, one by one, be it back: beyond that, a migration
does it."""

from collections.abc import Collection

from django.conf import settings

from core.approvals.limits import count_alone, done_alone, may_act_alone
from core.audit.actors import current_actor
from customers.models import BillingProfile, Customer
from invoicing.errors import TooManyMoves
from invoicing.tax_guards.tax_switch import never_subscribed

# How acts are counted that move a customer.
MOVE_RULE = "move"


def count_move(customer: Customer, target: BillingProfile) -> None:
    """Count the move of `customer` to `target` towards the person's day. `TooManyMoves` above
    `MIGRATION_TWO_PERSON_ABOVE`; nothing is changed. Call it in the transaction of the move.

    A key that pins a customer who never subscribed to anything sets them up, whoever made it: that moves nobody.
    """
    if may_act_alone() or (current_actor().kind == "api_key" and never_subscribed(customer)):
        return
    moved = count_alone(MOVE_RULE, customer.pk)
    if moved > settings.MIGRATION_TWO_PERSON_ABOVE:
        raise TooManyMoves(why_not_move(moved, target))


def why_not_move_all(customers: Collection[Customer], target: BillingProfile) -> str:
    """Why the person can't move all of these now; "" where they can."""
    if may_act_alone() or not customers:
        return ""
    moved = len(customers) + done_alone(MOVE_RULE, besides=[customer.pk for customer in customers])
    return why_not_move(moved, target) if moved > settings.MIGRATION_TWO_PERSON_ABOVE else ""


def why_not_move(moved: int, target: BillingProfile) -> str:
    """The refusal in words, with the way that leads there."""
    above = settings.MIGRATION_TWO_PERSON_ABOVE
    by_key = " An API key moves more only with the scope approvals:write." if current_actor().kind == "api_key" else ""
    return (
        f"That makes {moved} customers moved by you within 24 hours, and one person moves {above} at most. Nothing was "
        f"changed. Use a profile migration to “{target}”: a second person approves its list, and it can be paused and "
        f"taken back.{by_key}"
    )
