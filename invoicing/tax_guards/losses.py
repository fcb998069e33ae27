"""Owns what it means that a change takes tax off: it is asked of the close's own choice of a rate, at all times."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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

# The settings that decide whether there is a tax.
TAX_FIELDS = ("tax_enabled", "tax_enforced", "tax_code")
# Below this, in percent, a rate counts as none: no law has one, and 0.01 % would be a way around.
_LEAST = Decimal(1)
# How far back is remembered what single persons took off a customer's rate, and a place's own rates where they are
# changed: steps within it add up.
REMEMBERED = timedelta(days=366)

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
    # No more than one person may by itself, but with what was taken off within a year before.
    STEPS = 4
    # A lower rate for time that is over.
    LATE = 5

    @property
    def of_invoices(self) -> str:
        """What invoices would be, after "would be"."""
        return {
            TaxLoss.OFF: "without tax",
            TaxLoss.HELD: "held for want of a tax rate",
            TaxLoss.LESS: f"taxed more than {_points()} percentage points lower",
            TaxLoss.STEPS: f"taxed more than {_points()} percentage points lower than within the year before, in steps",
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

    def alike(self, other: "TaxedBy") -> bool:
        """Whether anything is taxed alike by the other terms: the same settings and place."""
        places = [(terms.place.country, terms.place.state) for terms in (self, other)]
        return places[0] == places[1] and all(self.settings[name] == other.settings[name] for name in TAX_FIELDS)


# How something is taxed: by whose terms, and by which tax settings of its own (JSON text).
Taxed = tuple[TaxedBy, str | None]


def loses_tax(
    before: TaxedBy,
    after: TaxedBy,
    supplies: Iterable[tuple[str | None, str | None]],
    *,
    now: datetime,
    terms_before: Callable[[str | None], Sequence[Taxed]] = lambda supply: (),
) -> TaxLoss | None:
    """The worst that happens to the `supplies` (tax settings of rate cards, as JSON text, before and after), at `now`
    or at any later change of the rates; None where no tax is lost.

    Lost is tax that is switched off; that was charged, or held, and would not be; that was charged and would be held;
    and a rate that falls by more than `TAX_CUT_TWO_PERSON_ABOVE_POINTS`. A rate below 1 % counts as none. Held counts
    as taxed before, and as nothing afterwards: otherwise two steps would do what one may not. A rate that falls is also
    compared with what it was by `terms_before`, by which a supply was taxed before others lowered it.
    """
    if before.settings["tax_enabled"] and not after.settings["tax_enabled"]:
        return TaxLoss.OFF
    return worst(_falls((before, was), (after, will), terms_before(was), now) for was, will in set(supplies))


def lowers_tax(
    before: TaxedBy, after: TaxedBy, supplies: Iterable[tuple[str | None, str | None]], *, now: datetime
) -> bool:
    """Whether tax is lost, or a rate falls, by however little."""
    if before.settings["tax_enabled"] and not after.settings["tax_enabled"]:
        return True
    return any(
        _loss(was, will, ZERO) is not None or (was is not None and will is not None and will < was)
        for supply, later in set(supplies)
        for was, will in _rates_over_time((before, supply), (after, later), now=now)
    )


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
            first = next(at for at in range(index + 1) if at == index or moments[at + 1] > moment - REMEMBERED)
            highest = max(rate for rate in old[first : index + 1] if rate is not None)
            losses.append(_loss(was, will, highest) or (TaxLoss.LATE if moment <= now else None))
    return worst(losses)


def worst(losses: Iterable[TaxLoss | None]) -> TaxLoss | None:
    """The worst of them, None where there is none."""
    return min((loss for loss in losses if loss is not None), default=None)


def _falls(before: Taxed, after: Taxed, earlier: Sequence[Taxed], now: datetime) -> TaxLoss | None:
    losses = []
    for was, will, *others in _rates_over_time(before, after, *earlier, now=now):
        highest = max((rate for rate in others if rate is not None), default=ZERO)
        in_steps = _loss(was, will, highest) and TaxLoss.STEPS
        losses.append(_loss(was, will, was or ZERO) or in_steps)
    return worst(losses)


def _rates_over_time(*terms: Taxed, now: datetime) -> Iterator[list[Decimal | None]]:
    """The rate by each of the `terms`, at `now` and at each later change of any."""
    every = {rate for taxed, _ in terms for rate in taxed.rates}
    for moment in {now} | {moment for moment in boundaries(every) if moment > now}:
        yield [_rate(taxed, supply, moment) for taxed, supply in terms]


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
