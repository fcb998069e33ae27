"""Owns the third step of the chain: the rate card's percentage discount, rounded on each detailed line."""

from decimal import Decimal

from core.money import EXACT, round_money
from invoicing.rating.values import PERCENTAGE_REASON, LineDiscount
from invoicing.rating.working import Part

_HUNDREDTH = Decimal("0.01")


def apply_percentage_discount(parts: list[Part], percentage: Decimal, currency: str) -> None:
    """Take `percentage` (50 means 50 %) off each part."""
    rate = EXACT.multiply(percentage, _HUNDREDTH)
    for part in parts:
        amount = round_money(EXACT.multiply(part.total, rate), currency)
        part.take_off(LineDiscount(PERCENTAGE_REASON, amount, percentage))
