"""Owns a percentage off list price: every unit and flat part, cheaper by the same share (billing rules 8)."""

from dataclasses import replace
from decimal import Decimal

from core.money import EXACT, MAX_PLACES, ROUNDING, trimmed
from subscriptions.pricing.base import Price, Tier
from subscriptions.pricing.dynamic import DynamicPrice
from subscriptions.pricing.flat import FlatPrice
from subscriptions.pricing.package import PackagePrice
from subscriptions.pricing.percentage import PercentagePrice
from subscriptions.pricing.reading import PERCENT_PLACES
from subscriptions.pricing.tiers import TieredPrice
from subscriptions.pricing.unit import UnitPrice

_HUNDREDTH = Decimal("0.01")


def off_list(price: Price, percentage: Decimal) -> Price:
    """`price` with `percentage` (50 means 50 %) taken off each of its figures.

    Figures keep the 12 places that prices may have, rounded half away from zero (a percentage its 6). Tier bounds,
    package sizes and commitments stay: they are what the customer agreed to, not a rate. ValueError for a price
    without figures of its own.
    """
    kept = EXACT.subtract(1, EXACT.multiply(percentage, _HUNDREDTH))

    def cheaper(figure: Decimal, places: int = MAX_PLACES) -> Decimal:
        return _within(EXACT.multiply(figure, kept), places)

    def cheaper_if_any(figure: Decimal | None) -> Decimal | None:
        return None if figure is None else cheaper(figure)

    if isinstance(price, FlatPrice | UnitPrice | PackagePrice):
        return replace(price, amount=cheaper(price.amount))
    if isinstance(price, TieredPrice):
        tiers = (Tier(tier.up_to, cheaper_if_any(tier.flat), cheaper_if_any(tier.unit)) for tier in price.tiers)
        return replace(price, tiers=tuple(tiers))
    if isinstance(price, DynamicPrice):
        return replace(price, multiplier=cheaper(price.multiplier))
    if isinstance(price, PercentagePrice):
        share = cheaper(price.percentage, PERCENT_PLACES)
        return replace(price, percentage=share, fee_per_event=cheaper_if_any(price.fee_per_event))
    raise ValueError(f"A {price.type} price has no figures to take {percentage} % off.")


def _within(figure: Decimal, places: int) -> Decimal:
    # Without the zeros that multiplying leaves behind: half of 0.060 is 0.03 on the price list.
    return Decimal(trimmed(figure.quantize(Decimal(1).scaleb(-places), context=ROUNDING)))
