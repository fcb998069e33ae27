"""Owns the line while it is being rated: what the steps of the chain read and change."""

from datetime import datetime
from decimal import Decimal

from core.money import EXACT, ZERO
from invoicing.rating.values import REGULAR, DetailedLine, LineDiscount


class Part:
    """A detailed line in the making; `total` is always amount minus the discounts so far."""

    __slots__ = (
        "amount",
        "category",
        "discounts",
        "end",
        "fraction",
        "kind",
        "name",
        "quantity",
        "start",
        "tier",
        "total",
        "unit_amount",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        quantity: Decimal,
        unit_amount: Decimal,
        amount: Decimal,
        *,
        category: str = REGULAR,
        fraction: tuple[int, int] = (1, 1),
        tier: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        self.kind = kind
        self.category = category
        self.name = name
        self.quantity = quantity
        self.unit_amount = unit_amount
        self.amount = amount
        self.total = amount
        self.fraction = fraction
        self.tier = tier
        self.start = start
        self.end = end
        self.discounts: list[LineDiscount] = []

    def take_off(self, discount: LineDiscount) -> None:
        """Lower the total by a discount that is already rounded; one of zero leaves no trace."""
        if discount.amount:
            self.discounts.append(discount)
            self.total = EXACT.subtract(self.total, discount.amount)

    def frozen(self) -> DetailedLine:
        """The finished detailed line."""
        return DetailedLine(
            self.kind,
            self.category,
            self.name,
            self.quantity,
            self.unit_amount,
            self.amount,
            EXACT.subtract(self.amount, self.total),
            self.total,
            tuple(self.discounts),
            self.fraction,
            self.tier,
            self.start,
            self.end,
        )


def net_of(parts: list[Part]) -> Decimal:
    """What the parts come to after the discounts so far."""
    net = ZERO
    for part in parts:
        net = EXACT.add(net, part.total)
    return net
