"""Redeems a coupon on an item: from when, and for how long, it reduces what is charged."""

from datetime import datetime

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from core.locks import lock_customers
from core.periods import parse_cadence
from subscriptions.errors import CouponNotRedeemable
from subscriptions.lifecycle.carry_coupons import carry_coupon, carry_coupons
from subscriptions.lifecycle.coupon_periods import end_of_reduced
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.selectors import item_period, revision_at
from subscriptions.models import Coupon, CouponRedemption, ItemRevision, Subscription, SubscriptionItem
from subscriptions.pricing import parse_price


@transaction.atomic
def record_redemption(*, item: SubscriptionItem, code: str, at: datetime, billed: bool = False) -> CouponRedemption:
    """Redeem `code` on `item` at `at` (UTC) (billing rules 3). Touches no invoice.

    It counts from the item's current period on; where that was charged in advance already, from the next one: a coupon
    gives no money back. A period that begins at that very moment may be charged or not: `billed` says which. Either
    way none of the coupon's periods is lost. A coupon that still runs on the item is answered again and not counted
    twice. One that a change of plan left behind on the item of that key runs on, within its bounds; once it is used up
    there it stays so.

    InvalidInput where there is no such coupon or the item is not active; `CouponNotRedeemable` where it is archived,
    expired, used up, of another currency or not for this item or plan, or stands behind one without an end.
    """
    lock_customers([item.subscription.customer_id])
    # The row's lock makes redemptions of one coupon queue up, so that the limit holds.
    coupon = Coupon.objects.select_for_update().filter(code=code).first()
    if coupon is None:
        raise field_error("couponCode", "coupon_not_found", f"There is no coupon {code}; nothing was changed.")
    revision = revision_at(item, at)
    if revision is None or revision.price is None:
        raise field_error(
            "couponCode",
            "item_not_active",
            f"Item {item.running_number} ({item.key}) charges nothing at {at:%Y-%m-%d %H:%M} UTC; nothing was changed.",
        )
    earlier = _earlier(coupon, item)
    if earlier is not None and _is_used_up(earlier, revision, at):
        raise CouponNotRedeemable(code, "was used up on this item")
    if earlier is not None and earlier.item_id == item.pk:
        return earlier
    _check_redeemable(coupon, item, again=earlier is not None)
    begins, ends = _effective_span(coupon, revision, at, billed)
    _refuse_another_rhythm(coupon, revision, begins)
    if earlier is None:
        _refuse_behind_endless(coupon, revision, begins)
    if earlier is not None:
        redemption = _continued(earlier, item, at, begins)
    else:
        redemption = CouponRedemption.objects.create(coupon=coupon, item=item, effective_from=begins, effective_to=ends)
    effective_from = redemption.effective_from
    successor = Subscription.objects.filter(previous=item.subscription, active_from__gt=at).first()
    if successor is not None:
        carry_coupons(old=item.subscription, new=successor, at=successor.active_from)
    facts_changed(
        subscription=item.subscription,
        changed_from=max(effective_from, item.subscription.active_from),
        due_at=max(clock.now(), effective_from),
    )
    record(
        verb="subscription.coupon_redeemed",
        target=item.subscription,
        did=f"redeemed coupon {code} on {item} of {item.subscription} from {effective_from:%Y-%m-%d %H:%M} UTC",
        customer_id=item.subscription.customer_id,
    )
    return redemption


def _earlier(coupon: Coupon, item: SubscriptionItem) -> CouponRedemption | None:
    """The latest redemption on the item, or on the item of its key in the subscriptions that this one has succeeded."""
    chain, previous = [item.subscription_id], item.subscription.previous_id
    while previous is not None:
        chain.append(previous)
        previous = Subscription.objects.values_list("previous_id", flat=True).get(pk=previous)
    found = coupon.redemptions.filter(item__key=item.key, item__subscription_id__in=chain).select_related("item")
    return min(found, key=lambda redemption: chain.index(redemption.item.subscription_id), default=None)


def _continued(earlier: CouponRedemption, item: SubscriptionItem, at: datetime, begins: datetime) -> CouponRedemption:
    if earlier.effective_to is not None and earlier.effective_to <= begins:
        raise CouponNotRedeemable(earlier.coupon.code, "comes too late: its last period is charged already")
    redemption = carry_coupon(earlier, item, at, begins=max(begins, earlier.effective_from))
    if redemption is None:
        raise CouponNotRedeemable(
            earlier.coupon.code, "was redeemed on this item when it was billed by another cadence"
        )
    return redemption


def _check_redeemable(coupon: Coupon, item: SubscriptionItem, *, again: bool) -> None:
    subscription = item.subscription
    if coupon.archived_at is not None:
        raise CouponNotRedeemable(coupon.code, "is archived")
    if coupon.expires_at is not None and coupon.expires_at <= clock.now():
        raise CouponNotRedeemable(coupon.code, f"expired on {coupon.expires_at:%Y-%m-%d %H:%M} UTC")
    if coupon.currency and coupon.currency != subscription.currency:
        raise CouponNotRedeemable(
            coupon.code, f"is in {coupon.currency}, but the subscription is billed in {subscription.currency}"
        )
    if coupon.item_keys and item.key not in coupon.item_keys:
        raise CouponNotRedeemable(coupon.code, f"is not for item {item.key}")
    plan_key = subscription.plan.key if subscription.plan else None
    if coupon.plan_keys and plan_key not in coupon.plan_keys:
        raise CouponNotRedeemable(coupon.code, "is not for this plan")
    limit = coupon.redemption_limit
    if not again and limit is not None and coupon.redemptions.filter(continues=None).count() >= limit:
        raise CouponNotRedeemable(coupon.code, f"was redeemed {limit} times, which is its limit")


def _is_used_up(earlier: CouponRedemption, revision: ItemRevision, at: datetime) -> bool:
    """Whether it is over on the item: past its end, or with the fee of once that it was for."""
    if earlier.effective_to is not None:
        return earlier.effective_to <= at
    return earlier.coupon.periods is not None and revision.billing_cadence is not None


def _refuse_another_rhythm(coupon: Coupon, revision: ItemRevision, begins: datetime) -> None:
    """A coupon for some periods is for those in which the item is billed now: where an edit is planned, it would never
    come to any."""
    then = revision_at(revision.item, begins)
    if coupon.periods is not None and then is not None and then.billing_cadence != revision.billing_cadence:
        raise CouponNotRedeemable(
            coupon.code, f"would begin when the item is billed by another cadence, on {begins:%Y-%m-%d}: redeem it then"
        )


def _refuse_behind_endless(coupon: Coupon, revision: ItemRevision, begins: datetime) -> None:
    """One coupon at a time reduces an item, the oldest one first: behind one without an end, another never would. That
    of a fee of once is over with it."""
    redemptions = revision.item.coupon_redemptions
    endless = redemptions.filter(effective_to=None, effective_from__lte=begins, continued_by=None)
    if revision.billing_cadence is not None:
        endless = endless.filter(coupon__periods=None)
    first = endless.select_related("coupon").first()
    if first is not None:
        raise CouponNotRedeemable(
            coupon.code, f"would take nothing off: {first.coupon.code} reduces this item, and has no end"
        )


def _effective_span(
    coupon: Coupon, revision: ItemRevision, at: datetime, billed: bool
) -> tuple[datetime, datetime | None]:
    period = item_period(revision, at)
    cadence = parse_cadence(revision.billing_cadence)
    if period is None or cadence is None:
        if billed or at > revision.active_from:
            raise CouponNotRedeemable(coupon.code, "came too late: the item is charged once, and has been")
        return revision.active_from, None
    price = parse_price(revision.price)
    charged_already = price is not None and price.in_advance and (billed or at > period.start)
    start = period.end if charged_already else period.start
    if coupon.periods is None:
        return start, None
    return start, end_of_reduced(coupon.periods, [revision.item], cadence, start)
