"""Edits a subscription's terms; what an edit ends comes back, what it adds is charged (billing rules 10)."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

from core.approvals.limits import foreseeing
from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from invoicing.subscription_changes.keep_discounts_of_parts import keeping_discounts_of_parts
from invoicing.subscription_changes.limit_free_time import noticing_free_time
from invoicing.subscription_changes.limit_own_prices import check_edits
from subscriptions.lifecycle.edits import AddItem, Edit, RemoveItem
from subscriptions.lifecycle.record_edit import record_edit
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import Subscription


def edit_subscription(
    *, subscription: Subscription, timing: Timing, edits: Sequence[Edit], preview: bool = False
) -> ChangeResult:
    """As `record_edit`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept. PartBilled (Conflict) for another usage discount within a period of which a part is billed."""

    def change(current: Subscription, at: datetime) -> None:
        with foreseeing() if preview else nullcontext():
            check_edits(current, edits)
            with noticing_free_time(current), keeping_discounts_of_parts(current):
                record_edit(subscription=current, at=max(at, current.active_from), edits=edits)

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
