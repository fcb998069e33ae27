"""Owns the tiers that graduated and volume prices share: reading, checking and writing them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from core.money import to_wire, trimmed
from subscriptions.pricing.base import Price, Tier
from subscriptions.pricing.reading import Reader

MAX_TIERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredPrice(Price):
    """A price in steps, in ascending order, the last one without end; upper bounds are inclusive."""

    type: ClassVar[str] = "tiered"
    mode: ClassVar[str]

    tiers: tuple[Tier, ...]

    def _own_wire(self) -> dict[str, Any]:
        return {"mode": self.mode, "tiers": [_tier_to_wire(tier) for tier in self.tiers]}


def tier_names(tiers: tuple[Tier, ...]) -> tuple[str, ...]:
    """What people call each tier: "Tier 2: over 5 up to 10"."""
    names: list[str] = []
    lower = None
    for number, tier in enumerate(tiers, 1):
        bounds = [] if lower is None else [f"over {trimmed(lower)}"]
        if tier.up_to is not None:
            bounds.append(f"up to {trimmed(tier.up_to)}")
        names.append(f"Tier {number}: {' '.join(bounds)}" if bounds else f"Tier {number}")
        lower = tier.up_to
    return tuple(names)


def read_tiers(reader: Reader) -> tuple[Tier, ...] | None:
    """The tiers in `reader`, or None with the problems noted: ascending bounds, each priced, only the last one open."""
    wire = reader.value("tiers")
    if not isinstance(wire, list | tuple) or not wire:
        reader.problem("tiers", "required", f"{reader.path('tiers')} must be a list with at least one tier.")
        return None
    if len(wire) > MAX_TIERS:
        reader.problem("tiers", "too_many", f"{reader.path('tiers')} has {len(wire)} tiers; at most {MAX_TIERS}.")
        return None
    tiers = [_read_tier(reader, index, item, last=index == len(wire) - 1) for index, item in enumerate(wire)]
    lower = Decimal(0)
    for index, tier in enumerate(tiers):
        if tier is None or tier.up_to is None:
            continue
        if tier.up_to <= lower:
            name = f"tiers.{index}.upToAmount"
            reader.problem(name, "not_ascending", f"{reader.path(name)} must be more than {trimmed(lower)}.")
        lower = max(lower, tier.up_to)
    return tuple(tier for tier in tiers if tier is not None)


def _read_tier(reader: Reader, index: int, item: object, *, last: bool) -> Tier | None:
    name = f"tiers.{index}"
    if not isinstance(item, Mapping):
        reader.problem(name, "not_an_object", f"{reader.path(name)} must be an object.")
        return None
    tier = reader.nested(item, name)
    up_to = tier.decimal("upToAmount", required=False)
    if last and tier.value("upToAmount") is not None:
        tier.problem("upToAmount", "last_tier_closed", f"{tier.path('upToAmount')}: the last tier must have no end.")
    if not last and tier.value("upToAmount") is None:
        tier.problem("upToAmount", "required", f"{tier.path('upToAmount')} is required: only the last tier is open.")
    flat = _read_part(tier, "flatPrice", "flat")
    unit = _read_part(tier, "unitPrice", "unit")
    if tier.value("flatPrice") is None and tier.value("unitPrice") is None:
        tier.problem(
            "", "required", f'{tier.path("")} needs a flatPrice or a unitPrice; a free tier has a unitPrice of "0".'
        )
    tier.close()
    return Tier(up_to, flat, unit)


def _read_part(tier: Reader, name: str, kind: str) -> Decimal | None:
    part = tier.child(name)
    if part is None:
        return None
    part.choice("type", (kind,))
    amount = part.decimal("amount")
    part.close()
    return amount


def _tier_to_wire(tier: Tier) -> dict[str, Any]:
    wire: dict[str, Any] = {} if tier.up_to is None else {"upToAmount": to_wire(tier.up_to)}
    wire["flatPrice"] = None if tier.flat is None else {"type": "flat", "amount": to_wire(tier.flat)}
    wire["unitPrice"] = None if tier.unit is None else {"type": "unit", "amount": to_wire(tier.unit)}
    return wire
