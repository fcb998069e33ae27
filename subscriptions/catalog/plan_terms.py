"""Owns the terms that a subscription copies: a plan's phases and rate cards as plain values, stored or not. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.periods import Duration, parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCardTerms:
    """A rate card. `price`, `discounts`, `tax_config` and `entitlement_template` are as on the wire, checked before."""

    type: str
    key: str
    name: str
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    feature_id: UUID | None = None
    feature_key: str | None = None
    billing_cadence: str | None = None
    price: Mapping[str, Any] | None = None
    discounts: Mapping[str, Any] | None = None
    tax_config: Mapping[str, Any] | None = None
    entitlement_template: Mapping[str, Any] | None = None

    def columns(self) -> dict[str, Any]:
        """What a plan's rate card, an add-on's and a revision of an item all store of it."""
        return {
            "type": self.type,
            "name": self.name,
            "description": self.description,
            "metadata": dict(self.metadata),
            "feature_id": self.feature_id,
            "billing_cadence": self.billing_cadence,
            "price": self.price,
            "discounts": self.discounts,
            "tax_config": self.tax_config,
            "entitlement_template": self.entitlement_template,
        }

    @property
    def is_flat(self) -> bool:
        """Whether it is charged by quantity (seats): a flat price on either type of rate card."""
        return self.price is not None and self.price["type"] == "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTerms:
    """A phase; `duration` is ISO 8601 text, None for the last."""

    key: str
    name: str
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    duration: str | None = None
    rate_cards: tuple[RateCardTerms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """All that a subscription takes from a plan."""

    name: str
    currency: str
    billing_cadence: str
    pro_rating_enabled: bool = True
    settlement_mode: str = "credit_then_invoice"
    phases: tuple[PhaseTerms, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnTerms:
    """All that an add-on says; `instance_type` is one of `InstanceType`."""

    name: str
    currency: str
    instance_type: str
    rate_cards: tuple[RateCardTerms, ...]


@dataclass(frozen=True, slots=True)
class PlacedPhase:
    """A phase with its place in time, UTC, half-open; without end it lasts as long as the subscription."""

    terms: PhaseTerms
    active_from: datetime
    active_to: datetime | None


def place_phases(phases: Sequence[PhaseTerms], *, start: datetime, zone: str) -> tuple[PlacedPhase, ...]:
    """The phases in time, the first from `start` on.

    Each boundary is computed from `start` with the sum of the durations before it, by the wall time of `zone`: two
    phases of a month from 31 January end on 28 February and 31 March.
    """
    placed: list[PlacedPhase] = []
    elapsed, here = Duration("", 0, 0, 0), start
    for phase in phases:
        there = None
        if phase.duration is not None:
            length = parse_duration(phase.duration)
            elapsed = Duration(
                "", elapsed.months + length.months, elapsed.days + length.days, elapsed.seconds + length.seconds
            )
            there = elapsed.after(start, zone)
        placed.append(PlacedPhase(phase, here, there))
        if there is None:
            break
        here = there
    return tuple(placed)
