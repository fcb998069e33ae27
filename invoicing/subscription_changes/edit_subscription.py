"""Edits a subscription's terms; what an edit ends comes back, what it adds is charged (billing rules 10)."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from core.approvals.limits import may_act_alone
from invoicing.subscription_changes.bill_change import bill_change
from invoicing.subscription_changes.change_result import ChangeResult
from subscriptions.catalog.discount_limits import Charged, check_own_price
from subscriptions.lifecycle.edits import AddItem, Edit, RemoveItem
from subscriptions.lifecycle.record_edit import record_edit
from subscriptions.lifecycle.timing import Timing
from subscriptions.models import ItemRevision, Subscription


def edit_subscription(
    *, subscription: Subscription, timing: Timing, edits: Sequence[Edit], preview: bool = False
) -> ChangeResult:
    """As `edit_subscription`, when `timing` says, and billed at once where that is now; with `preview` nothing is
    kept."""

    def change(current: Subscription, at: datetime) -> None:
        if not preview:
            _check_discounts(current, edits)
        record_edit(subscription=current, at=max(at, current.active_from), edits=edits)

    return bill_change(
        subscription=subscription, timing=timing, change=change, item_keys=_items_alone(edits), preview=preview
    )


def _check_discounts(subscription: Subscription, edits: Sequence[Edit]) -> None:
    """`ApprovalNeeded` where a price of the customer's own takes off more than one person may give."""
    if may_act_alone():
        return
    rows = ItemRevision.objects.filter(item__subscription=subscription).exclude(active_to=F("active_from"))
    known = list(rows.select_related("item", "phase").order_by("active_from"))
    for edit in edits:
        if isinstance(edit, AddItem):
            theirs = [row for row in known if (row.phase.key, row.item.key) == (edit.phase_key, edit.card.key)]
            listed = next((row for row in reversed(theirs) if not row.is_edited), theirs[0] if theirs else None)
            new = Charged(edit.card.price, edit.card.discounts)
            check_own_price(edit.card.name, new, now=_charged(theirs[-1] if theirs else None), listed=_charged(listed))


def _charged(row: ItemRevision | None) -> Charged:
    return Charged(None, None) if row is None else Charged(row.price, row.discounts)


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
