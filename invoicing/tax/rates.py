"""Owns the choice of a tax rate: by place, kind of supply and tax point."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class RateFacts(NamedTuple):
    """A tax rate in force during `[valid_from, valid_to)`, UTC. Empty `region` or `category` matches any."""

    country: str
    region: str
    category: str
    rate: Decimal
    name: str
    valid_from: datetime
    valid_to: datetime | None


def rate_for(
    rates: Sequence[RateFacts], *, country: str, region: str, category: str, tax_point: datetime
) -> RateFacts | None:
    """The rate for a supply to this place at `tax_point`: region and category, when they match, beat none; or None."""
    found = [
        rate
        for rate in rates
        if rate.country == country
        and rate.region in ("", region)
        and rate.category in ("", category)
        and rate.valid_from <= tax_point
        and (rate.valid_to is None or tax_point < rate.valid_to)
    ]
    return max(found, key=lambda rate: (rate.region != "", rate.category != "", rate.valid_from), default=None)
