"""Carries coupons that still run over to the successor of a subscription."""

from datetime import datetime

from django.db.models import Q

from subscriptions.models import CouponRedemption, ItemRevision, Subscription, SubscriptionItem


def carry_coupons(*, old: Subscription, new: Subscription, at: datetime) -> None:
    """Let what runs on items of `old` after `at` (UTC) run on, within the same bounds, on items of the same key of
    `new` (billing rules 3, 10); in the caller's transaction, which holds the customer's lock. Safe to repeat.

    It is the same redemption and counts once. It stays behind where the coupon is not for the new plan, and where it
    ends but the item is billed by another cadence: a month's coupon does not reduce a year.
    """
    plan_key = new.plan.key if new.plan is not None else None
    targets = {item.key: item for item in new.items.all()}
    running = CouponRedemption.objects.filter(item__subscription=old, continued_by=None).filter(
        Q(effective_to=None) | Q(effective_to__gt=at)
    )
    for redemption in running.select_related("coupon", "item"):
        target = targets.get(redemption.item.key)
        if target is None or (redemption.coupon.plan_keys and plan_key not in redemption.coupon.plan_keys):
            continue
        carry_coupon(redemption, target, at, begins=redemption.effective_from)


def carry_coupon(
    redemption: CouponRedemption, target: SubscriptionItem, at: datetime, *, begins: datetime
) -> CouponRedemption | None:
    """Let one redemption run on from `begins`, on `target`; None where it ends but the cadence is another."""
    if redemption.effective_to is not None and _cadence(target, at) != _cadence(redemption.item, at):
        return None
    return CouponRedemption.objects.create(
        coupon=redemption.coupon,
        item=target,
        redeemed_at=redemption.redeemed_at,
        effective_from=begins,
        effective_to=redemption.effective_to,
        continues=redemption,
    )


def _cadence(item: SubscriptionItem, at: datetime) -> str | None:
    """By what it is billed at `at`: before its first price by that, after its last by that."""
    revisions = list(ItemRevision.objects.filter(item=item).order_by("active_from"))
    begun = [revision for revision in revisions if revision.active_from <= at]
    return (begun[-1] if begun else revisions[0]).billing_cadence
