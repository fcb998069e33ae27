"""Owns the sixth step of the chain: the minimum spend of a period, billed once, by the line that closes the period."""

from decimal import Decimal

from core.money import EXACT, ONE, round_share
from invoicing.rating.values import COMMITMENT, RatingInput
from invoicing.rating.working import Part, net_of


def due_minimum(line: RatingInput, minimum: Decimal) -> Decimal:
    """The minimum spend of the line's period: in its currency, prorated with it, rounded once, and never
    above the maximum (billing rules 3)."""
    due = round_share(minimum, *line.fraction, line.currency)
    maximum = line.price.maximum
    return due if maximum is None else min(due, round_share(maximum, 1, 1, line.currency))


def minimum_part(parts: list[Part], line: RatingInput, due: Decimal) -> Part | None:
    """The detailed line that makes up what the period's net, with its earlier splits, is short of `due`."""
    missing = EXACT.subtract(due, EXACT.add(line.previously_billed_net, net_of(parts)))
    if missing <= 0:
        return None
    return Part("minimum", "Minimum spend", ONE, missing, missing, category=COMMITMENT)
