"""Owns the volume price: all units cost what the one tier says that the period's total falls in."""

from dataclasses import dataclass, field
from typing import ClassVar

from core.money import EXACT, ONE
from subscriptions.pricing.base import Charge, Usage
from subscriptions.pricing.tiers import TieredPrice, tier_names


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePrice(TieredPrice):
    """The total picks the tier, upper bounds inclusive; the tier's flat part is charged also without usage.

    A window can't be split, because more usage makes earlier units cheaper. Where a change of plan preserved earlier
    usage, it counts for the choice of the tier, but only the window's own units are charged.
    """

    mode: ClassVar[str] = "volume"
    is_splittable: ClassVar[bool] = False

    names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tier_names(self.tiers))

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        total = EXACT.add(usage.earlier, usage.quantity)
        index = next(i for i, tier in enumerate(self.tiers) if tier.up_to is None or total <= tier.up_to)
        tier, name = self.tiers[index], self.names[index]
        charges: list[Charge] = []
        if usage.opens and tier.flat:
            charges.append(Charge("volume_flat", f"{name}, flat part", ONE, tier.flat, index + 1))
        if usage.quantity and tier.unit is not None:
            charges.append(Charge("volume_unit", name, usage.quantity, tier.unit, index + 1))
        return tuple(charges)
