"""Owns the dimensional price: a pointer to the meter's rate card, where the figures are."""

from dataclasses import dataclass
from typing import ClassVar

from subscriptions.pricing.base import Charge, Price, Usage
from subscriptions.pricing.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionalPrice(Price):
    """Each combination of dimensions takes its price from the meter's rate card; the commitments are the item's own."""

    type: ClassVar[str] = "dimensional"

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        """Always ValueError: the caller looks up the rate card and rates each combination by the price found there."""
        raise ValueError(
            "A dimensional price has no figures of its own; rate each combination by the meter's rate card."
        )


def read(reader: Reader) -> DimensionalPrice:
    """The dimensional price in `reader`."""
    return DimensionalPrice(**reader.commitments())
