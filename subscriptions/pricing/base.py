"""Owns what all price models share: the price itself, the usage it is asked to price, and the charges it answers."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from core.jsontext import canonical_json
from core.money import ZERO, to_wire


class Usage(NamedTuple):
    """What a usage price is asked to price: one window of an item, after free units.

    `quantity` is the window's own, `earlier` what the same period has billed before it (earlier splits), `events`
    the number of events in the window; `opens` says that the window is the first one of its period.
    """

    quantity: Decimal
    earlier: Decimal = ZERO
    events: int = 0
    opens: bool = True


class Tier(NamedTuple):
    """One step of a tiered price: units up to and including `up_to` (None: without end), a flat part, a unit price."""

    up_to: Decimal | None
    flat: Decimal | None
    unit: Decimal | None


class Charge(NamedTuple):
    """One part of what a price asks for, before rounding and discounts: quantity x unit amount."""

    kind: str
    name: str
    quantity: Decimal
    unit_amount: Decimal
    tier: int | None = None


class Step(NamedTuple):
    """One stretch of a price that goes straight: all usage from `lower` (exclusive) to the next step's `lower`.

    It costs the charges `below`, the same for any usage in the stretch, and `unit` for each unit above `lower`.
    """

    lower: Decimal
    below: tuple[Charge, ...]
    unit: Charge | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price model with its figures, checked when it was parsed; `minimum` and `maximum` are spend per period, net."""

    type: ClassVar[str]
    is_flat: ClassVar[bool] = False
    # Whether a window can be billed in parts with the same result as in one piece (billing rules 7).
    is_splittable: ClassVar[bool] = True
    # Whether the number of events matters, not only the metered quantity.
    counts_events: ClassVar[bool] = False

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    _json: str | None = field(default=None, init=False, repr=False, compare=False)
    # What whoever rates by this price has worked out ahead. No part of its value: a copy by `replace` is without it.
    prepared: Any = field(default=None, init=False, repr=False, compare=False)

    @property
    def in_advance(self) -> bool:
        """Whether it is charged at the start of what it is for, and not at its end."""
        return False

    def charges(self, usage: Usage) -> tuple[Charge, ...]:
        """What `usage` costs, part by part, exactly; the caller rounds each part once."""
        raise NotImplementedError

    def steps(self) -> tuple[Step, ...]:
        """The price of a whole period as straight stretches, so that rating can prepare them; empty if it has none."""
        return ()

    def to_wire(self) -> dict[str, Any]:
        """The price as the REST API writes it; `parse_price` reads it back to an equal price."""
        wire = {"type": self.type, **self._own_wire()}
        if self.minimum is not None:
            wire["minimumAmount"] = to_wire(self.minimum)
        if self.maximum is not None:
            wire["maximumAmount"] = to_wire(self.maximum)
        return wire

    def to_json(self) -> str:
        """`to_wire` as canonical text, made once: every line's explanation shows its price."""
        text = self._json
        if text is None:
            text = canonical_json(self.to_wire())
            object.__setattr__(self, "_json", text)
        return text

    def _own_wire(self) -> dict[str, Any]:
        return {}


def single(kind: str, name: str, quantity: Decimal, unit_amount: Decimal) -> tuple[Charge, ...]:
    """The one charge of a price without parts; none for no quantity, so that an idle period stays without lines."""
    return (Charge(kind, name, quantity, unit_amount),) if quantity else ()
