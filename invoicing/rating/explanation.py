"""Owns the explanation of a line as a value: every input and step of its amount, and what readers derive from them.

A charge's explanation holds all that rating needs to compute the line again; a credit's says what came back, of which
line; that of late usage what its period comes to with it, and what was billed of that. How they are stored is the
business of `explanation_json`. All amounts are in the currency of the line.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from core.money import EXACT, ZERO, round_share, trimmed
from core.periods import Period
from invoicing.rating.basis import Basis
from invoicing.rating.values import MAXIMUM_REASON, Coupon, FlatComponent, LineDiscount
from subscriptions.pricing import NO_DISCOUNTS, Discounts, PackagePrice, Price

UNUSED = "unused"
RATED_WITH_IT = "rated_with_late_usage"
BILLED_BEFORE = "billed_before"

_UNITS_OF_TIME = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
_HUNDRED_YEARS = 100 * 366 * 86400


@dataclass(frozen=True, slots=True)
class TimeShare:
    """A share of a period, `part` of `whole` `unit`s."""

    part: Decimal
    whole: Decimal
    unit: str

    def __str__(self) -> str:
        """As arithmetic: 15/30 days."""
        return f"{trimmed(self.part)}/{trimmed(self.whole)} {self.unit}"


@dataclass(frozen=True, slots=True)
class StartedPackages:
    """Packages of `size` units: `started` by the period's `quantity` so far, `billed` of them by what came before."""

    size: Decimal
    quantity: Decimal
    started: Decimal
    billed: Decimal


@dataclass(frozen=True, slots=True)
class MinimumDue:
    """A price's `minimum`, what of it falls on the time billed, and what is `due`: never more than the maximum."""

    minimum: Decimal
    share: TimeShare | None
    prorated: Decimal
    due: Decimal


@dataclass(frozen=True, slots=True)
class QuantitySteps:
    """From the window's quantity to the priced one: `free` units come off it, after what was billed `earlier` in the
    period has used its part of them."""

    window: Decimal
    priced: Decimal
    earlier: Decimal = ZERO
    free: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Split:
    """Whether the window opens its period, and whether it closes it."""

    first: bool = True
    last: bool = True


WHOLE = Split()


@dataclass(frozen=True, slots=True)
class Totals:
    """What the parts of a charge add up to, but for the net: regular ones, commitments, what was taken off."""

    amount: Decimal
    charges: Decimal
    discounts: Decimal


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """One step of the sum: `amount` is quantity x unit amount x fraction, rounded once; `total` is after discounts.

    `fraction` None: nothing is prorated; `period` None: nothing is said of its time.
    """

    kind: str
    name: str
    quantity: Decimal
    unit_amount: Decimal
    amount: Decimal
    total: Decimal
    tier: int | None = None
    fraction: tuple[int, int] | None = None
    period: Period | None = None
    discounts: tuple[LineDiscount, ...] = ()

    @property
    def share(self) -> TimeShare | None:
        """Its share of a period as time; None where it has none, but a proportion of what was charged."""
        if self.fraction is None or (self.kind == UNUSED and self.fraction[0] not in self._lengths()):
            return None
        return time_share(*self.fraction)

    def _lengths(self) -> tuple[int, ...]:
        """How long it is, in seconds and in microseconds, either of which a share of time is counted in."""
        if self.period is None:
            return ()
        length = self.period.end - self.period.start
        return length // timedelta(seconds=1), length // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLine:
    """What every line explains: its parts, and the net that they come to."""

    currency: str
    parts: tuple[ExplainedPart, ...]
    net: Decimal

    @property
    def is_limited(self) -> bool:
        """Whether the maximum spend took something off."""
        return any(discount.reason == MAXIMUM_REASON for part in self.parts for discount in part.discounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeExplanation(ExplainedLine):
    """A rated line: what it was rated from (see `RatingInput`), and what came of it. Simulated lines have no basis.

    What has no effect on the line is left out: `fraction`, `event_count`, `minimum_due` None.
    """

    price: Price
    quantity: QuantitySteps
    totals: Totals
    basis: Basis | None = None
    discounts: Discounts = NO_DISCOUNTS
    coupon: Coupon | None = None
    components: tuple[FlatComponent, ...] = ()
    fraction: tuple[int, int] | None = None
    billed_earlier: Decimal = ZERO
    event_count: int | None = None
    minimum_due: Decimal | None = None
    split: Split = WHOLE

    @property
    def packages(self) -> StartedPackages | None:
        """How a package price came to its number of packages; None for others, and where nothing was priced."""
        if not isinstance(self.price, PackagePrice) or not self.quantity.priced:
            return None
        size, free = self.price.size, self.discounts.usage or ZERO
        earlier = max(EXACT.subtract(self.quantity.earlier, free), ZERO)
        total = EXACT.add(earlier, self.quantity.priced)
        started, billed = (Decimal(self.price.started(quantity)) for quantity in (total, earlier))
        return StartedPackages(size, total, started, billed)

    @property
    def minimum(self) -> MinimumDue | None:
        """How the minimum spend came to what is due; None where the line does not close its period, or has none."""
        minimum, due = self.price.minimum, self.minimum_due
        if minimum is None or due is None:
            return None
        fraction = self.fraction or (1, 1)
        share = None if self.fraction is None else time_share(*fraction)
        return MinimumDue(minimum, share, round_share(minimum, *fraction, self.currency), due)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditExplanation(ExplainedLine):
    """What comes back of the line `credits`; `same_time` is the charge for the same time that the amount comes from.

    Explanations from before these were kept have None there.
    """

    credits: UUID | None = None
    same_time: ChargeExplanation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateUsageExplanation(ExplainedLine):
    """What late usage comes to: `charges` are those for the windows of its period, rated with it; the parts are what
    each comes to, and what of it was billed before."""

    charges: tuple[ChargeExplanation, ...]


Explanation = ChargeExplanation | CreditExplanation | LateUsageExplanation


def time_share(numerator: int, denominator: int) -> TimeShare:
    """A share of a period, as `core.periods.fraction` gives it, in the largest unit of which both are whole numbers."""
    if denominator > _HUNDRED_YEARS:
        # Boundaries within a second: these are microseconds.
        return TimeShare(Decimal(numerator).scaleb(-6), Decimal(denominator).scaleb(-6), "seconds")
    seconds, unit = next(found for found in _UNITS_OF_TIME if not (numerator % found[0] or denominator % found[0]))
    return TimeShare(Decimal(numerator // seconds), Decimal(denominator // seconds), unit)
