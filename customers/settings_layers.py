"""Effective billing settings: which layer says what (billing rules 5). Pure.

The layers come strongest first; `customers.effective_settings.LAYERS` says in which order. Each field takes the first
value that is not None and remembers where it came from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORKFLOW_FIELDS = (
    "collection_alignment",
    "collection_cadence",
    "collection_anchor",
    "collection_interval",
    "auto_advance",
    "draft_period",
    "due_after",
    "collection_method",
    "late_usage",
    "progressive_billing",
    "progressive_threshold",
    "progressive_threshold_currency",
    "tax_enabled",
    "tax_enforced",
    "tax_behavior",
    "tax_code",
    "dunning_days",
    "uncollectible_after_dunning",
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings. `origin` is what staff read ("pin: Enterprise"); a field it lacks, or None, is left to
    the next layer."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """Every workflow field with its value and the origin of that value (None: nobody said anything)."""

    values: Mapping[str, Any]
    origins: Mapping[str, str | None]


def resolve(layers: Sequence[Layer]) -> EffectiveSettings:
    """The effective settings of these layers, strongest first."""
    values: dict[str, Any] = {}
    origins: dict[str, str | None] = {}
    for field in WORKFLOW_FIELDS:
        values[field], origins[field] = None, None
        for layer in layers:
            value = layer.values.get(field)
            if value is not None:
                values[field], origins[field] = value, layer.origin
                break
    return EffectiveSettings(values, origins)
