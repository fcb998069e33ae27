"""Redeems a coupon on an item of a subscription, and shows what the next bill comes to with it (billing rules 3)."""

from contextlib import nullcontext
from datetime import datetime

from django.db import transaction

from core import clock
from core.approvals.limits import foreseeing
from core.locks import lock_customers
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import BilledWindow
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.change_result import ChangeResult, change_result, with_outlook
from invoicing.subscription_changes.limit_own_prices import check_redemption
from subscriptions.lifecycle.record_redemption import record_redemption
from subscriptions.lifecycle.selectors import find_item
from subscriptions.models import Subscription, SubscriptionItem


def redeem_coupon(*, subscription: Subscription, running_number: int, code: str, preview: bool = False) -> ChangeResult:
    """As `record_redemption`, from now on; what waits to be billed is reduced, and nothing that was billed comes back.
    With `preview` nothing is kept. UnknownItem (NotFound) where there is no such item."""
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([subscription.customer_id])
        ahead = LookAhead.begin(subscription.customer_id) if preview else None
        item = find_item(subscription_id=subscription.pk, running_number=running_number)
        now = clock.now()
        redeem_on(item, code, now=now, preview=preview)
        sync_customers([subscription.customer_id], as_of=now)
        result = change_result(item.subscription)
        if ahead is not None:
            result = with_outlook(result, ahead.outlook(effect=now, watched=result.changed), effect=now)
            transaction.set_rollback(True)
    return result


def redeem_on(item: SubscriptionItem, code: str, *, now: datetime, preview: bool) -> None:
    """Redeem `code` where one person may; a preview lists who is needed. What runs on the item already was measured
    when it came."""
    known = set(item.coupon_redemptions.values_list("pk", flat=True))
    redemption = record_redemption(item=item, code=code, at=now, billed=_is_billed_now(item))
    if redemption.pk not in known:
        with foreseeing() if preview else nullcontext():
            check_redemption(redemption)


def _is_billed_now(item: SubscriptionItem) -> bool:
    """Whether the item is charged for the present moment already."""
    return BilledWindow.objects.filter(item=item, span__contains=clock.now()).exists()
