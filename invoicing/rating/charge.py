"""Owns the second step of the chain: the price's charges, each rounded once (billing rules 1 and 3)."""

from collections.abc import Iterable
from decimal import Decimal

from core.money import EXACT, round_money, round_share
from invoicing.rating.values import RatingInput
from invoicing.rating.working import Part
from subscriptions.pricing import Charge, FlatPrice


def rounded(charges: Iterable[Charge], currency: str) -> list[Part]:
    """A part for each charge of a usage price. Usage prices are never prorated (billing rules 2)."""
    return [
        Part(
            charge.kind,
            charge.name,
            charge.quantity,
            charge.unit_amount,
            round_money(EXACT.multiply(charge.quantity, charge.unit_amount), currency),
            tier=charge.tier,
        )
        for charge in charges
    ]


def charge_flat(price: FlatPrice, line: RatingInput) -> list[Part]:
    """The parts of a flat fee: one for the quantity at the start and one for each change of quantity in the window."""
    if not line.components:
        return _flat_part("flat", "Flat fee", price.amount, line.quantity, line.fraction, line.currency)
    parts: list[Part] = []
    for index, component in enumerate(line.components):
        kind, name = ("flat", "Flat fee") if index == 0 else ("flat_change", _change_name(component.quantity))
        fraction = (component.numerator, component.denominator)
        for part in _flat_part(kind, name, price.amount, component.quantity, fraction, line.currency):
            part.start, part.end = component.start, component.end
            parts.append(part)
    return parts


def _flat_part(
    kind: str, name: str, amount: Decimal, quantity: Decimal, fraction: tuple[int, int], currency: str
) -> list[Part]:
    if not quantity or not fraction[0]:
        return []
    if fraction[0] == fraction[1]:
        # However a full period is counted, its explanation does not mention it.
        fraction = (1, 1)
    whole = EXACT.multiply(quantity, amount)
    return [Part(kind, name, quantity, amount, round_share(whole, *fraction, currency), fraction=fraction)]


def _change_name(difference: Decimal) -> str:
    return "Quantity increase" if difference > 0 else "Quantity decrease"
