"""Prices as pure values: what a rate card charges, read from and written to the REST API's form. One model a file."""

from subscriptions.pricing.base import Charge, Price, Step, Tier, Usage
from subscriptions.pricing.dimensional import DimensionalPrice
from subscriptions.pricing.discounts import NO_DISCOUNTS, Discounts, parse_discounts
from subscriptions.pricing.dynamic import DynamicPrice
from subscriptions.pricing.flat import IN_ADVANCE, IN_ARREARS, FlatPrice
from subscriptions.pricing.graduated import GraduatedPrice
from subscriptions.pricing.off_list import off_list
from subscriptions.pricing.package import PackagePrice
from subscriptions.pricing.parse import parse_price
from subscriptions.pricing.percentage import PercentagePrice
from subscriptions.pricing.tiers import TieredPrice
from subscriptions.pricing.unit import UnitPrice
from subscriptions.pricing.volume import VolumePrice

__all__ = [
    "IN_ADVANCE",
    "IN_ARREARS",
    "NO_DISCOUNTS",
    "Charge",
    "DimensionalPrice",
    "Discounts",
    "DynamicPrice",
    "FlatPrice",
    "GraduatedPrice",
    "PackagePrice",
    "PercentagePrice",
    "Price",
    "Step",
    "Tier",
    "TieredPrice",
    "UnitPrice",
    "Usage",
    "VolumePrice",
    "off_list",
    "parse_discounts",
    "parse_price",
]
