"""Owns the fifth step of the chain: the maximum spend of a period, net, over all its splits."""

from decimal import Decimal

from core.money import EXACT, ZERO, round_money
from invoicing.rating.values import MAXIMUM_REASON, LineDiscount
from invoicing.rating.working import Part, net_of


def apply_maximum(parts: list[Part], maximum: Decimal, billed_earlier: Decimal, currency: str) -> None:
    """Take off what goes beyond `maximum`, from the last part backwards: the first units are the ones within it.

    The maximum belongs to the price and is not prorated. A line never goes below zero, also where earlier splits
    already billed more than the maximum.
    """
    room = max(EXACT.subtract(round_money(maximum, currency), billed_earlier), ZERO)
    excess = EXACT.subtract(net_of(parts), room)
    for part in reversed(parts):
        if excess <= 0:
            return
        amount = min(part.total, excess)
        if amount > 0:
            part.take_off(LineDiscount(MAXIMUM_REASON, amount))
            excess = EXACT.subtract(excess, amount)
