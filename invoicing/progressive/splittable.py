"""Owns what of a running period can be billed before its end, and why the rest can't (billing rules 7). No I/O."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from entitlements.choices import Aggregation
from entitlements.models import Feature
from subscriptions.pricing import DimensionalPrice
from subscriptions.schedule import RevisionFacts


class Unsplittable(StrEnum):
    """Why a line waits for the end of its period."""

    FLAT = "flat"
    ONE_TIME = "one_time"
    VOLUME = "volume"
    FALLING_METER = "falling_meter"
    REPORTED = "reported"
    NO_FIGURES = "no_figures"


WORDS: Mapping[Unsplittable, str] = {
    Unsplittable.FLAT: "a flat fee is billed whole",
    Unsplittable.ONE_TIME: "it has no period to split",
    Unsplittable.VOLUME: "by volume, later usage changes what earlier usage costs",
    Unsplittable.FALLING_METER: "its meter can fall, so what it says before the period's end may be too much",
    Unsplittable.REPORTED: "its quantity is reported once for the whole period",
    Unsplittable.NO_FIGURES: "its price has no figures of its own",
}

NOTHING_YET: Final = "what was used up to then costs nothing"
"""Why what could be split is not."""

# By these, a period never comes to less than a part of it.
_NEVER_FALLS = {Aggregation.SUM, Aggregation.COUNT, Aggregation.UNIQUE_COUNT, Aggregation.MAX}


def why_not_split(revision: RevisionFacts, features: Mapping[UUID, Feature]) -> Unsplittable | None:
    """Why usage billed by `revision` can't be split; None where it can."""
    price = revision.price
    if price is None or price.is_flat:
        return Unsplittable.FLAT
    if revision.cadence is None:
        return Unsplittable.ONE_TIME
    if isinstance(price, DimensionalPrice):
        return Unsplittable.NO_FIGURES
    if not price.is_splittable:
        return Unsplittable.VOLUME
    feature = None if revision.feature_id is None else features.get(revision.feature_id)
    if feature is None or feature.meter is None:
        return Unsplittable.REPORTED
    return None if feature.meter.aggregation in _NEVER_FALLS else Unsplittable.FALLING_METER
