"""Owns what flat fees come to: components at an item's terms, with the coupon that is on them. Pure."""

from collections.abc import Sequence

from core.money import ZERO
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
