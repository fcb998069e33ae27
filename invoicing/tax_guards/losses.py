"""Owns what it means that a change takes the tax off: it is asked of the close's own choice of a rate, at all times."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from core.jsontext import canonical_json
from customers.models import Customer
from invoicing.closing.taxation import terms_at
from invoicing.errors import CannotBill
from invoicing.tax import RateFacts

# Below this, in percent, a rate counts as none: no law has one, and 0.01 % would be a way around.
_LEAST = Decimal(1)

# A category that no rate has, as the wire says it: what is sold under a code of its own, wherever only general rates
# are known.
OTHER_SUPPLY = canonical_json({"stripe": {"code": "\uffff"}})
# What has no tax settings of its own, and what has a code that only the general rate knows.
ANY_SUPPLY: tuple[str | None, ...] = (None, OTHER_SUPPLY)


class _Standing(Enum):
    TAXED = "taxed"
    # Tax is enforced and no rate known: nothing leaves the house without tax.
    HELD = "held"
    WITHOUT = "without"


@dataclass(frozen=True, slots=True)
class TaxedBy:
    """All that decides how supplies to somebody are taxed: effective `settings`, the place, and its country's rates."""

    settings: Mapping[str, Any]
    place: Customer
    rates: Sequence[RateFacts]


def loses_tax(before: TaxedBy, after: TaxedBy, supplies: Iterable[str | None], *, now: datetime) -> bool:
    """Whether tax is switched off, or one of the `supplies` (tax settings of rate cards, as JSON text) would be billed
    without tax that was taxed or held, at `now` or at any later change of the rates.

    A rate below 1 % counts as none. Held counts as taxed: otherwise two steps would do what one may not.
    """
    if before.settings["tax_enabled"] and not after.settings["tax_enabled"]:
        return True
    return any(_falls((before, supply), (after, supply), now) for supply in set(supplies))


def item_loses_tax(taxed: TaxedBy, before: str | None, after: str | None, *, now: datetime) -> bool:
    """The same of an item whose own tax settings (JSON text) change."""
    return _falls((taxed, before), (taxed, after), now)


def _falls(before: tuple[TaxedBy, str | None], after: tuple[TaxedBy, str | None], now: datetime) -> bool:
    rates = [*before[0].rates, *after[0].rates]
    moments = {now} | {moment for moment in boundaries(rates) if moment > now}
    return any(
        _standing(*after, moment) is _Standing.WITHOUT and _standing(*before, moment) is not _Standing.WITHOUT
        for moment in moments
    )


def boundaries(rates: Collection[RateFacts]) -> set[datetime]:
    """When any of these rates begins or ends: between two such moments nothing changes."""
    ends = {rate.valid_to for rate in rates if rate.valid_to is not None}
    return {rate.valid_from for rate in rates} | ends


def _standing(taxed: TaxedBy, supply: str | None, moment: datetime) -> _Standing:
    try:
        terms = terms_at(taxed.settings, taxed.rates, taxed.place, supply, moment)
    except CannotBill:
        return _Standing.HELD
    return _Standing.TAXED if terms is not None and terms.rate >= _LEAST else _Standing.WITHOUT
