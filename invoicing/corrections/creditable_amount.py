"""Owns how much an invoice's charges can take of a credit, so that its total never falls below zero. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from core.money import ROUNDING, ZERO, quantum
from invoicing.tax import TaxTerms
from invoicing.tax.compute import tax_on


@dataclass(slots=True)
class CreditableAmount:
    """What is left of an invoice's charges, net, by how they are taxed."""

    left: dict[TaxTerms | None, Decimal]
    currency: str

    @classmethod
    def of(cls, charges: Iterable[tuple[Decimal, TaxTerms | None]], currency: str) -> "CreditableAmount":
        room = cls({}, currency)
        for net, terms in charges:
            key = _alike(terms)
            room.left[key] = room.left.get(key, ZERO) + net
        return room

    def take(self, amount: Decimal, terms: TaxTerms | None) -> Decimal:
        """As much of a credit of `amount` (net, positive), taxed by `terms`, as can still be credited; it is used up.

        First by what is taxed alike, to the cent. What is taxed otherwise takes the rest as far as it is worth as much
        before and after tax: a credit at 19 % is worth more than a charge without tax.
        """
        own = _alike(terms)
        taken = min(amount, max(self.left.get(own, ZERO), ZERO))
        if taken:
            self.left[own] -= taken
        for other, left in self.left.items():
            rest = amount - taken
            if not rest or left <= 0 or other == own:
                continue
            here = min(rest, left, self._worth(left, other, terms))
            if here > 0:
                taken += here
                # By its gross, and at least by its net, so that the two totals both stay at zero or above.
                self.left[other] = max(left - max(here, self._worth(here, terms, other) + quantum(self.currency)), ZERO)
        return taken

    def _worth(self, net: Decimal, here: TaxTerms | None, there: TaxTerms | None) -> Decimal:
        """The net that, taxed by `there`, comes to no more than `net` taxed by `here` does: rounded down, and a minor
        unit less for the rounding of the tax."""
        gross = net + _on_top(net, here, self.currency)
        rate = ZERO if there is None or there.inclusive else there.rate
        worth = ROUNDING.divide(gross * 100, 100 + rate) if rate else gross
        unit = quantum(self.currency)
        return worth.quantize(unit, ROUND_DOWN, ROUNDING) - (unit if rate else ZERO)


def _alike(terms: TaxTerms | None) -> TaxTerms | None:
    return None if terms is None else terms._replace(name="")


def _on_top(net: Decimal, terms: TaxTerms | None, currency: str) -> Decimal:
    return ZERO if terms is None or terms.inclusive else tax_on(net, terms, currency)
