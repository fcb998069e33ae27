"""Owns the package price: units are sold in packages, each started one is charged in full."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.money import EXACT, to_wire
from subscriptions.pricing.base import Charge, Price, Usage, single
from subscriptions.pricing.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePrice(Price):
    """`amount` for each started package of `size` units: `ceil(total) - ceil(already billed)` (billing rules 3)."""

    type: ClassVar[str] = "package"

    amount: Decimal
    size: Decimal

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        total = EXACT.add(usage.earlier, usage.quantity)
        started = self.started(total) - self.started(usage.earlier)
        return single("package", "Packages", Decimal(started), self.amount)

    def started(self, quantity: Decimal) -> int:
        """How many packages `quantity` units have started."""
        whole, rest = EXACT.divmod(quantity, self.size)
        return int(whole) + (1 if rest > 0 else 0)

    def _own_wire(self) -> dict[str, Any]:
        return {"amount": to_wire(self.amount), "quantityPerPackage": to_wire(self.size)}


def read(reader: Reader) -> PackagePrice | None:
    """The package price in `reader`, or None with the problems noted."""
    amount = reader.decimal("amount")
    size = reader.decimal("quantityPerPackage", positive=True)
    commitments = reader.commitments()
    if amount is None or size is None:
        return None
    return PackagePrice(amount=amount, size=size, **commitments)
