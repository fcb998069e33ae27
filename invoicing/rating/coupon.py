"""Owns the fourth step of the chain: a coupon, rounded once for the line and spread over its parts."""

from decimal import Decimal

from core.money import EXACT, ZERO, allocate, round_share
from invoicing.rating.values import COUPON_REASON, Coupon, LineDiscount
from invoicing.rating.working import Part, net_of

_HUNDREDTH = Decimal("0.01")
_WHOLE = (1, 1)


def apply_coupon(parts: list[Part], coupon: Coupon, currency: str) -> Decimal:
    """Take the coupon off, at most down to zero; the amount that it took off."""
    net = net_of(parts)
    if net <= 0:
        return ZERO
    if coupon.percentage is not None:
        wanted = EXACT.multiply(EXACT.multiply(net, coupon.percentage), _HUNDREDTH)
    else:
        wanted = coupon.remaining or ZERO
    amount = min(round_share(wanted, *(coupon.share or _WHOLE), currency), net)
    if amount <= 0:
        return ZERO
    charged = [part for part in parts if part.total > 0]
    shares = allocate(amount, [part.total for part in charged], currency)
    for part, share in zip(charged, shares, strict=True):
        part.take_off(LineDiscount(COUPON_REASON, share, coupon.percentage, coupon.code))
    return amount
