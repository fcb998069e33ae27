"""Owns the reading of a tiered price: its mode decides which of the two models it is."""

from subscriptions.pricing.graduated import GraduatedPrice
from subscriptions.pricing.reading import Reader
from subscriptions.pricing.tiers import TieredPrice, read_tiers
from subscriptions.pricing.volume import VolumePrice

_MODES: dict[str, type[TieredPrice]] = {model.mode: model for model in (VolumePrice, GraduatedPrice)}


def read(reader: Reader) -> TieredPrice | None:
    """The tiered price in `reader`, or None with the problems noted."""
    mode = reader.choice("mode", tuple(_MODES))
    tiers = read_tiers(reader)
    commitments = reader.commitments()
    return None if mode is None or tiers is None else _MODES[mode](tiers=tiers, **commitments)
