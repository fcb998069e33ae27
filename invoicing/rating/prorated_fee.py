"""Owns what flat fees come to: components at an item's terms, with the coupon that is on them. Pure."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from core.money import ZERO
from core.periods import Period, fraction
from invoicing.rating import Coupon, FlatComponent, RatedLine, RatingInput, rate
from subscriptions.schedule import (
    Component,
    RevisionFacts,
    SubscriptionFacts,
)


def rate_fee(
    sub: SubscriptionFacts, revision: RevisionFacts, components: Sequence[Component], coupon: Coupon | None
) -> RatedLine:
    """The charge for `components` at the terms of `revision`, which has a flat price."""
    assert revision.price is not None
    if coupon is not None and coupon.until is not None:
        coupon = coupon._replace(share=_share_before(components, coupon.until), until=None)
    return rate(
        RatingInput(
            price=revision.price,
            quantity=sum((component.quantity for component in components), ZERO),
            currency=sub.currency,
            discounts=revision.discounts,
            components=tuple(FlatComponent(*component) for component in components),
            coupon=coupon,
        )
    )


def _share_before(components: Sequence[Component], until: datetime) -> tuple[int, int] | None:
    """How much of what these components charge is for the time before `until`; None for all of it."""
    whole = before = Fraction(0)
    for part in components:
        worth = Fraction(part.quantity) * Fraction(part.numerator, part.denominator)
        whole += worth
        ends = min(part.end, until)
        if part.start < ends:
            before += worth * Fraction(*fraction(Period(part.start, ends), Period(part.start, part.end)))
    if before == whole:
        return None
    if len(components) == 1:
        # By the clock, as a reader checks it.
        [part] = components
        return fraction(Period(part.start, max(part.start, min(part.end, until))), Period(part.start, part.end))
    share = min(max(before / whole, Fraction(0)), Fraction(1)) if whole else Fraction(0)
    return share.as_integer_ratio()
