"""Edits a subscription's terms; what an edit ends comes back, what it adds is charged (billing rules 10)."""

from collections.abc import Sequence
from datetime import datetime

from invoicing.services.bill_change import bill_change
from invoicing.services.change_result import ChangeResult
from subscriptions.edits import AddItem, Edit, RemoveItem
from subscriptions.models import Subscription
from subscriptions.services.edit_subscription import edit_subscription
from subscriptions.timing import Timing


def revise_subscription(
    *, subscription: Subscription, timing: Timing, edits: Sequence[Edit], preview: bool = False
) -> ChangeResult:
    """As `edit_subscription`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> None:
        edit_subscription(subscription=current, at=max(at, current.active_from), edits=edits)

    return bill_change(
        subscription=subscription, timing=timing, change=change, item_keys=_items_alone(edits), preview=preview
    )


def _items_alone(edits: Sequence[Edit]) -> set[str] | None:
    """The keys of the items that the edits change, where they change nothing else; None where they move phases."""
    keys = set()
    for edit in edits:
        if isinstance(edit, AddItem):
            keys.add(edit.card.key)
        elif isinstance(edit, RemoveItem):
            keys.add(edit.item_key)
        else:
            return None
    return keys
