"""Owns the first step of the chain: free units, used up by the earlier windows of a period first (billing rules 7)."""

from decimal import Decimal

from core.money import EXACT, ZERO


def after_free_units(quantity: Decimal, earlier: Decimal, free: Decimal) -> tuple[Decimal, Decimal]:
    """(window, earlier) quantities that are left to be priced when the period's first `free` units cost nothing."""
    earlier_priced = max(EXACT.subtract(earlier, free), ZERO)
    total_priced = max(EXACT.subtract(EXACT.add(earlier, quantity), free), ZERO)
    return EXACT.subtract(total_priced, earlier_priced), earlier_priced
