"""Prices as pure values: what a rate card charges, read from and written to the REST API's form. One model a file."""

from subscriptions.pricing.base import Charge, Price, Tier, Usage
from subscriptions.pricing.discounts import NO_DISCOUNTS, Discounts, parse_discounts
from subscriptions.pricing.flat import IN_ADVANCE, IN_ARREARS, FlatPrice
from subscriptions.pricing.package import PackagePrice
from subscriptions.pricing.parse import parse_price
from subscriptions.pricing.unit import UnitPrice

__all__ = [
    "IN_ADVANCE",
    "IN_ARREARS",
    "NO_DISCOUNTS",
    "Charge",
    "Discounts",
    "FlatPrice",
    "PackagePrice",
    "Price",
    "Tier",
    "UnitPrice",
    "Usage",
    "parse_discounts",
    "parse_price",
]
