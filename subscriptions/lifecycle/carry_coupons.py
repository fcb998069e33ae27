"""Carries coupons that still run over to the successor of a subscription."""

from datetime import datetime

from django.db.models import Q

from core.periods import CADENCES
from subscriptions.lifecycle.coupon_periods import counted_end
from subscriptions.lifecycle.facts import calendar_of
from subscriptions.models import CouponRedemption, ItemRevision, Subscription, SubscriptionItem
from subscriptions.pricing import parse_price
from subscriptions.schedule.billing_calendar import period_at


def carry_coupons(*, old: Subscription, new: Subscription, at: datetime) -> None:
    """Let what runs on items of `old` after `at` (UTC) run on, within the same bounds, on items of the same key of
    `new` (billing rules 3, 10); in the caller's transaction, which holds the customer's lock. Safe to repeat.

    It is the same redemption and counts once. It stays behind where the coupon is not for the new plan, and where it
    ends but the item is billed by another cadence: a month's coupon does not reduce a year. What of the successor costs
    nothing (a trial) uses up none of its periods, where their boundaries stay.

    One in arrears goes along also where it ends with a period that is not billed yet: should it have nothing to take
    off there, it lasts on.
    """
    plan_key = new.plan.key if new.plan is not None else None
    targets = {item.key: item for item in new.items.all()}
    running = CouponRedemption.objects.filter(item__subscription=old, continued_by=None).filter(
        Q(effective_to=None) | Q(effective_to__gt=min(at, old.reconcile_from))
    )
    for redemption in running.select_related("coupon", "item__subscription"):
        target = targets.get(redemption.item.key)
        if target is None or (redemption.coupon.plan_keys and plan_key not in redemption.coupon.plan_keys):
            continue
        ended = redemption.effective_to is not None and redemption.effective_to <= at
        if ended and not _in_arrears(redemption.item, at):
            continue
        follows = redemption.effective_to is not None and counted_end(redemption) == redemption.effective_to
        carried = carry_coupon(redemption, target, at, begins=redemption.effective_from)
        lasts_from = max(at, redemption.effective_from)
        if carried is not None and follows and _same_boundaries(redemption.item, target, lasts_from):
            carried.effective_to = counted_end(carried)
            carried.save(update_fields=["effective_to"])


def carry_coupon(
    redemption: CouponRedemption, target: SubscriptionItem, at: datetime, *, begins: datetime
) -> CouponRedemption | None:
    """Let one redemption run on from `begins`, on `target`; None where it is for some periods but the cadence is
    another, by the time it can reduce anything, than that in which it was redeemed, whatever the item was edited to
    since."""
    if redemption.coupon.periods is not None and _cadence(target, max(at, begins)) != _cadence_at_first(redemption):
        return None
    return CouponRedemption.objects.create(
        coupon=redemption.coupon,
        item=target,
        redeemed_at=redemption.redeemed_at,
        effective_from=begins,
        effective_to=redemption.effective_to,
        continues=redemption,
        untouched=redemption.untouched,
    )


def _cadence(item: SubscriptionItem, at: datetime) -> str | None:
    return _terms(item, at).billing_cadence


def _cadence_at_first(redemption: CouponRedemption) -> str | None:
    """That of the item on which it was redeemed, at that time."""
    first = redemption
    while first.continues_id is not None:
        first = CouponRedemption.objects.select_related("item").get(pk=first.continues_id)
    return _cadence(first.item, first.redeemed_at)


def _in_arrears(item: SubscriptionItem, at: datetime) -> bool:
    price = parse_price(_terms(item, at).price)
    return price is not None and not price.in_advance


def _terms(item: SubscriptionItem, at: datetime) -> ItemRevision:
    """Those that hold at `at`: before its first price that one, after its last that. What an edit took away has no
    time, and holds never."""
    known = list(ItemRevision.objects.filter(item=item).order_by("active_from"))
    revisions = [revision for revision in known if revision.active_to != revision.active_from] or known
    begun = [revision for revision in revisions if revision.active_from <= at]
    return begun[-1] if begun else revisions[0]


def _same_boundaries(item: SubscriptionItem, target: SubscriptionItem, at: datetime) -> bool:
    """Whether the period that holds `at` is the same for both items, which have one cadence."""
    cadence = CADENCES[str(_cadence(target, at))]
    before, after = calendar_of(item.subscription), calendar_of(target.subscription)
    return period_at(before, cadence, at) == period_at(after, cadence, at)
