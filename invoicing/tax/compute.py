"""Owns the arithmetic of tax: per rate on the invoice's net, rounded once, split by largest remainder."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from core.money import EXACT, ZERO, allocate, round_money, round_share


class TaxTerms(NamedTuple):
    """How a line is taxed: `rate` percent (19 means 19 %), on top of its price or `inclusive`; `name` as printed."""

    rate: Decimal
    inclusive: bool = False
    name: str = ""


NO_TAX: TaxTerms | None = None


class LineTax(NamedTuple):
    """A line's tax: `exclusive` comes on top of its amount, `inclusive` is contained in it."""

    exclusive: Decimal
    inclusive: Decimal

    @property
    def total(self) -> Decimal:
        return self.exclusive + self.inclusive


def tax_on(amount: Decimal, terms: TaxTerms, currency: str) -> Decimal:
    """The tax on `amount` of `currency`, rounded once: on top of it, or contained in it where it is inclusive."""
    top, bottom = terms.rate.as_integer_ratio()
    if terms.inclusive:
        return round_share(amount, top, 100 * bottom + top, currency)
    return round_share(amount, top, 100 * bottom, currency)


def tax_lines(lines: Sequence[tuple[Decimal, TaxTerms | None]], currency: str) -> list[LineTax]:
    """The tax of each of an invoice's lines (its amount after discounts, and how it is taxed), in order.

    Per rate the tax is that of the sum of its lines, rounded once. Where a rate has charges and credits, the credits
    take back their own tax, and the charges bear the rest: 3 x 3.33 at 19 % is 1.90, as 0.64, 0.63 and 0.63.
    """
    zero = round_money(ZERO, currency)
    taxes = [LineTax(zero, zero)] * len(lines)
    groups: dict[TaxTerms, list[int]] = {}
    for index, (_, terms) in enumerate(lines):
        if terms is not None:
            groups.setdefault(terms._replace(name=""), []).append(index)
    for terms, members in groups.items():
        amounts = [lines[index][0] for index in members]
        whole = tax_on(sum(amounts, ZERO), terms, currency)
        credits = [index for index in members if lines[index][0] < 0]
        charges = [index for index in members if lines[index][0] >= 0]
        back = tax_on(sum((lines[index][0] for index in credits), ZERO), terms, currency)
        for indexes, tax in ((credits, back), (charges, EXACT.subtract(whole, back))):
            if not indexes or not any(lines[index][0] for index in indexes):
                continue
            shares = allocate(tax, [lines[index][0] for index in indexes], currency)
            for index, share in zip(indexes, shares, strict=True):
                taxes[index] = LineTax(zero, share) if terms.inclusive else LineTax(share, zero)
    return taxes
