"""Owns the graduated price: each unit costs what its own tier says."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from core.money import EXACT, ONE, ZERO
from subscriptions.pricing.base import Charge, Step, Usage
from subscriptions.pricing.tiers import TieredPrice, tier_names


@dataclass(frozen=True, slots=True, kw_only=True)
class GraduatedPrice(TieredPrice):
    """Units fill the tiers in order; a tier's flat part is charged once, when usage enters the tier (billing rules 3).

    The first tier's flat part is charged by the window that opens the period, also without usage.
    """

    mode: ClassVar[str] = "graduated"

    names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tier_names(self.tiers))

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        earlier, total = usage.earlier, EXACT.add(usage.earlier, usage.quantity)
        charges: list[Charge] = []
        lower = ZERO
        for number, (tier, name) in enumerate(zip(self.tiers, self.names, strict=True), 1):
            entered = usage.opens if number == 1 else earlier <= lower < total
            if entered and tier.flat:
                charges.append(_flat_part(tier.flat, name, number))
            upper = total if tier.up_to is None else min(total, tier.up_to)
            start = max(earlier, lower)
            if upper > start and tier.unit is not None:
                charges.append(Charge("tier_unit", name, EXACT.subtract(upper, start), tier.unit, number))
            if tier.up_to is None or total <= tier.up_to:
                break
            lower = tier.up_to
        return tuple(charges)

    def steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        lower = ZERO
        for number, (tier, name) in enumerate(zip(self.tiers, self.names, strict=True), 1):
            below = self.charges(Usage(lower))
            if tier.flat and number > 1:
                below = (*below, _flat_part(tier.flat, name, number))
            unit = None if tier.unit is None else Charge("tier_unit", name, ONE, tier.unit, number)
            steps.append(Step(lower, below, unit))
            lower = tier.up_to or lower
        return tuple(steps)


def _flat_part(amount: Decimal, tier_name: str, number: int) -> Charge:
    return Charge("tier_flat", f"{tier_name}, flat part", ONE, amount, number)
