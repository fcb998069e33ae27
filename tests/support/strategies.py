"""Hypothesis strategies for times, prices, quantities and whole rating inputs, edges included."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import available_timezones

from hypothesis import strategies as st

from core.periods import CADENCES
from invoicing.rating import Coupon, FlatComponent, RatingInput
from subscriptions.pricing import Discounts, parse_price
from tests.support.rating import tiered

# Zones with half hours, with skipped days and with midnight changes first, then all others.
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo"]
) | st.sampled_from(sorted(available_timezones()))
CADENCE = st.sampled_from(list(CADENCES.values()))
ANY_MOMENT = st.builds(
    lambda seconds, micro: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micro),
    st.integers(0, 40 * 365 * 86400),
    st.sampled_from([0, 0, 0, 1, 999_999]),
)
# The days that months lack, leap days among them, as often as all others.
LAST_DAYS = st.builds(
    lambda year, day, hour: datetime(year, day[0], day[1], hour, tzinfo=UTC),
    st.integers(2000, 2039),
    st.sampled_from([(1, 29), (1, 30), (1, 31), (2, 28), (3, 31), (4, 30), (8, 31), (12, 31)]),
    st.integers(0, 23),
) | st.builds(lambda leap: datetime(2000 + 4 * leap, 2, 29, tzinfo=UTC), st.integers(0, 9))
MOMENTS = ANY_MOMENT | LAST_DAYS

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])


def decimals(most, places):
    """Decimals from 0 to `most` with up to `places` places; small and whole ones often."""
    return st.one_of(
        st.integers(0, min(most, 50)).map(Decimal),
        st.integers(0, most).map(Decimal),
        st.builds(lambda whole, at: Decimal(whole).scaleb(-at), st.integers(0, most), st.integers(0, places)),
    )


AMOUNTS = decimals(10**6, 12)
QUANTITIES = decimals(10**9, 6)


def text(number):
    return format(number, "f")


@st.composite
def tier_lists(draw):
    widths = draw(st.lists(decimals(500, 3).filter(bool), max_size=4))
    tiers, upper = [], Decimal(0)
    for width in [*widths, None]:
        upper = None if width is None else upper + width
        parts = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
        flat, unit = (text(draw(AMOUNTS)) if wanted else None for wanted in parts)
        tiers.append((None if upper is None else text(upper), flat, unit))
    return tiers


GRADUATED = tier_lists().map(lambda tiers: tiered("graduated", *tiers))
VOLUME = tier_lists().map(lambda tiers: tiered("volume", *tiers))
UNIT = AMOUNTS.map(lambda amount: {"type": "unit", "amount": text(amount)})
PACKAGE = st.builds(
    lambda amount, size: {"type": "package", "amount": text(amount), "quantityPerPackage": text(size)},
    AMOUNTS,
    decimals(1000, 3).filter(bool),
)
DYNAMIC = AMOUNTS.map(lambda amount: {"type": "dynamic", "multiplier": text(amount)})
PERCENTAGE = st.builds(
    lambda rate, fee: {"type": "percentage", "percentage": text(rate), "fixedFeePerEvent": text(fee)},
    decimals(200, 4),
    AMOUNTS,
)
SPLITTABLE = st.one_of(GRADUATED, UNIT, PACKAGE, DYNAMIC)
MONOTONIC = st.one_of(SPLITTABLE, PERCENTAGE)
USAGE_WIRES = st.one_of(MONOTONIC, VOLUME)


@st.composite
def with_commitments(draw, wires):
    wire = dict(draw(wires))
    low, high = sorted([draw(decimals(10**6, 3)), draw(decimals(10**6, 3))])
    if draw(st.booleans()):
        wire["minimumAmount"] = text(low)
    if draw(st.booleans()):
        wire["maximumAmount"] = text(high)
    return wire


PERCENTAGES = st.none() | decimals(100, 3).filter(lambda percentage: percentage <= 100)
DISCOUNTS = st.builds(Discounts, PERCENTAGES, st.none() | decimals(10**6, 3).filter(bool))
FRACTIONS = st.just((1, 1)) | st.tuples(st.integers(0, 2000), st.integers(1, 1000))
COUPONS = st.one_of(
    st.none(),
    st.builds(lambda percentage: Coupon("HALF", percentage=percentage), PERCENTAGES.filter(lambda p: p is not None)),
    st.builds(
        lambda percentage, part: Coupon("PART", percentage, share=(part, 31)),
        PERCENTAGES.filter(lambda p: p is not None),
        st.integers(0, 31),
    ),
    st.builds(lambda amount: Coupon("FIXED", remaining=amount), decimals(10**4, 2)),
)


@st.composite
def usage_lines(draw, wires=USAGE_WIRES):
    """Any line of a usage price."""
    return RatingInput(
        price=parse_price(draw(with_commitments(wires))),
        quantity=draw(QUANTITIES),
        currency=draw(CURRENCIES),
        discounts=draw(DISCOUNTS),
        pre_quantity=draw(st.just(Decimal(0)) | QUANTITIES),
        fraction=draw(FRACTIONS),
        is_first_split=draw(st.booleans()),
        is_last_split=draw(st.booleans()),
        previously_billed_net=draw(st.just(Decimal(0)) | decimals(1000, 0)),
        event_count=draw(st.integers(0, 1000)),
        coupon=draw(COUPONS),
    )


@st.composite
def plain_lines(draw):
    """A whole period from zero, with nothing but a price and its discounts."""
    return RatingInput(
        price=parse_price(draw(USAGE_WIRES)),
        quantity=draw(QUANTITIES),
        currency=draw(CURRENCIES),
        discounts=draw(DISCOUNTS),
    )


@st.composite
def flat_lines(draw):
    """Any line of a flat price."""
    component = st.builds(
        lambda quantity, sign, fraction: FlatComponent(sign * quantity, *fraction),
        decimals(1000, 2),
        st.sampled_from([1, 1, -1]),
        FRACTIONS,
    )
    return RatingInput(
        price=parse_price({"type": "flat", "amount": text(draw(AMOUNTS))}),
        quantity=draw(decimals(1000, 2)),
        currency=draw(CURRENCIES),
        discounts=Discounts(draw(PERCENTAGES)),
        fraction=draw(FRACTIONS),
        coupon=draw(COUPONS),
        components=tuple(draw(st.lists(component, max_size=4))),
    )
