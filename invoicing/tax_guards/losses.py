"""Owns what it means that a change takes tax off: it is asked of the close's own choice of a rate, at all times."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

from django.conf import settings

from core.admin.words import quantity_text
from core.jsontext import canonical_json
from core.money import ZERO
from customers.models import Customer
from invoicing.closing.taxation import terms_at
from invoicing.errors import CannotBill
from invoicing.tax import RateFacts

# Below this, in percent, a rate counts as none: no law has one, and 0.01 % would be a way around.
_LEAST = Decimal(1)
# How far back a place's own rates are remembered where they are changed: steps within it add up.
_REMEMBERED = timedelta(days=366)

# A category that no rate has, as the wire says it: what is sold under a code of its own, wherever only general rates
# are known.
OTHER_SUPPLY = canonical_json({"stripe": {"code": "\uffff"}})
# What has no tax settings of its own, and what has a code that only the general rate knows.
ANY_SUPPLY: tuple[str | None, ...] = (None, OTHER_SUPPLY)


class TaxLoss(IntEnum):
    """How tax is lost, the worst first."""

    OFF = 1
    # Nothing leaves the house untaxed, but another rate could follow that nobody would compare with the first.
    HELD = 2
    LESS = 3
    # A lower rate for time that is over.
    LATE = 4

    @property
    def of_invoices(self) -> str:
        """What invoices would be, after "would be"."""
        return {
            TaxLoss.OFF: "without tax",
            TaxLoss.HELD: "held for want of a tax rate",
            TaxLoss.LESS: f"taxed more than {_points()} percentage points lower",
            TaxLoss.LATE: "taxed lower for time that has begun",
        }[self]

    @property
    def of_supplies(self) -> str:
        """The same of what is sold, and of customers."""
        return "billed without tax" if self is TaxLoss.OFF else self.of_invoices


def _points() -> str:
    return quantity_text(settings.TAX_CUT_TWO_PERSON_ABOVE_POINTS)


@dataclass(frozen=True, slots=True)
class TaxedBy:
    """All that decides how supplies to somebody are taxed: effective `settings`, the place, and its country's rates."""

    settings: Mapping[str, Any]
    place: Customer
    rates: Sequence[RateFacts]


def loses_tax(before: TaxedBy, after: TaxedBy, supplies: Iterable[str | None], *, now: datetime) -> TaxLoss | None:
    """The worst that happens to the `supplies` (tax settings of rate cards, as JSON text), at `now` or at any later
    change of the rates; None where no tax is lost.

    Lost is tax that is switched off; that was charged, or held, and would not be; that was charged and would be held;
    and a rate that falls by more than `TAX_CUT_TWO_PERSON_ABOVE_POINTS`. A rate below 1 % counts as none. Held counts
    as taxed before, and as nothing afterwards: otherwise two steps would do what one may not.
    """
    if before.settings["tax_enabled"] and not after.settings["tax_enabled"]:
        return TaxLoss.OFF
    return worst(_falls((before, supply), (after, supply), now) for supply in set(supplies))


def item_loses_tax(taxed: TaxedBy, before: str | None, after: str | None, *, now: datetime) -> TaxLoss | None:
    """The same of an item whose own tax settings (JSON text) change."""
    return _falls((taxed, before), (taxed, after), now)


def place_loses_tax(
    before: TaxedBy, after: TaxedBy, supplies: Iterable[str | None], *, now: datetime
) -> TaxLoss | None:
    """The same of a place whose rates change, at any time. Steps of a year add up. In time that has begun at `now` any
    lower rate counts: it was taxed by the other one, and no step may hide what the next is compared with."""
    moments = sorted(boundaries([*before.rates, *after.rates]))
    losses = []
    for supply in set(supplies):
        old = [_rate(before, supply, moment) for moment in moments]
        for index, (moment, was) in enumerate(zip(moments, old, strict=True)):
            will = _rate(after, supply, moment)
            if was is None or will is None or will >= was:
                losses.append(_loss(was, will, ZERO))
                continue
            # Each was in force until the next moment.
            first = next(at for at in range(index + 1) if at == index or moments[at + 1] > moment - _REMEMBERED)
            highest = max(rate for rate in old[first : index + 1] if rate is not None)
            losses.append(_loss(was, will, highest) or (TaxLoss.LATE if moment <= now else None))
    return worst(losses)


def worst(losses: Iterable[TaxLoss | None]) -> TaxLoss | None:
    """The worst of them, None where there is none."""
    return min((loss for loss in losses if loss is not None), default=None)


def _falls(before: tuple[TaxedBy, str | None], after: tuple[TaxedBy, str | None], now: datetime) -> TaxLoss | None:
    rates = [*before[0].rates, *after[0].rates]
    moments = {now} | {moment for moment in boundaries(rates) if moment > now}
    return worst(_loss(was := _rate(*before, moment), _rate(*after, moment), was or ZERO) for moment in moments)


def _loss(was: Decimal | None, will: Decimal | None, highest: Decimal) -> TaxLoss | None:
    """What it means where the rate `was` this and is to be that, both None for held; `highest` is the rate to compare
    with where it falls."""
    if was in (ZERO, will):
        return None
    if will is None:
        return TaxLoss.HELD
    if will == ZERO:
        return TaxLoss.OFF
    falls = was is not None and will < was
    return TaxLoss.LESS if falls and highest - will > settings.TAX_CUT_TWO_PERSON_ABOVE_POINTS else None


def boundaries(rates: Collection[RateFacts]) -> set[datetime]:
    """When any of these rates begins or ends: between two such moments nothing changes."""
    ends = {rate.valid_to for rate in rates if rate.valid_to is not None}
    return {rate.valid_from for rate in rates} | ends


def _rate(taxed: TaxedBy, supply: str | None, moment: datetime) -> Decimal | None:
    """The rate in percent, 0 for none; None where it is held: tax is enforced and no rate known."""
    try:
        terms = terms_at(taxed.settings, taxed.rates, taxed.place, supply, moment)
    except CannotBill:
        return None
    return terms.rate if terms is not None and terms.rate >= _LEAST else ZERO
