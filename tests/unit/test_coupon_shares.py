"""A percentage that ends within a line's time reduces what the line charges until then, and no more."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.ids import new_id
from core.periods import CADENCES
from invoicing.rating.coupon_on_part import coupon_on
from invoicing.rating.prorated_fee import rate_fee
from subscriptions.pricing import Discounts, parse_price
from subscriptions.schedule import (
    Component,
    CouponFacts,
    ItemFacts,
    RevisionFacts,
    SubscriptionFacts,
)
from subscriptions.schedule.facts import QuantityAt

APRIL, MAY, JUNE = (datetime(2026, month, 16, tzinfo=UTC) for month in (4, 5, 6))
ENDS = datetime(2026, 6, 1, tzinfo=UTC)


def coupon_in(end=ENDS, until=JUNE, *, prorate=True):
    """Half off up to `end`, on the window from 16 May `until` then, of 90.00 a month from 16 April on."""
    price = parse_price({"type": "flat", "amount": "90.00", "paymentTerm": "in_advance"})
    revision = RevisionFacts(new_id(), APRIL, None, CADENCES["P1M"], price, Discounts(None), "Fee")
    coupon = CouponFacts("C", Decimal(50), None, APRIL, end)
    item = ItemFacts(new_id(), "fee", 1, (revision,), (QuantityAt(APRIL, Decimal(1)),), (coupon,))
    sub = SubscriptionFacts(new_id(), new_id(), "EUR", "UTC", APRIL, CADENCES["P1M"], APRIL, None, (item,))
    sub = replace(sub, prorate=prorate)
    return sub, revision, coupon_on(sub, item, revision, MAY, until)


def seats(*starts):
    """A seat from each of these moments up to 16 June, in days of 31."""
    return tuple(Component(Decimal(1), (JUNE - start).days, 31, start, JUNE) for start in starts)


@pytest.mark.parametrize(
    ("starts", "net", "share"),
    [
        # 90.00 less half of 16/31.
        ((MAY,), "66.77", (16 * 86400, 31 * 86400)),
        # 133.55, of which 46.45 are for the time before: 8/23.
        ((MAY, ENDS), "110.32", (8, 23)),
        # 11 of 31 days of 90.00, all of them behind it.
        ((datetime(2026, 6, 5, tzinfo=UTC),), "31.94", (0, 11 * 86400)),
    ],
)
def test_of_a_fee_it_is_what_its_parts_charge_until_then(starts, net, share):
    sub, revision, coupon = coupon_in()
    line = rate_fee(sub, revision, seats(*starts), coupon)
    assert str(line.net) == net
    assert line.explain["coupon"]["share"] == list(share)


def test_of_usage_it_is_the_share_of_the_window():
    _, _, coupon = coupon_in()
    assert coupon.share == (16 * 86400, 31 * 86400)


@pytest.mark.parametrize(
    "terms",
    [
        {"end": None},
        {"end": JUNE},
        # A window that is over before it.
        {"until": ENDS},
        # A period that was moved out beyond the one that the coupon counts: it is for the period as it was.
        {"end": JUNE, "until": datetime(2026, 7, 1, tzinfo=UTC)},
        {"prorate": False},
    ],
)
def test_otherwise_the_line_is_reduced_whole(terms):
    _, _, coupon = coupon_in(**terms)
    assert (coupon.share, coupon.until) == (None, None)


def test_what_is_over_before_it_is_reduced_whole_though_the_window_went_on():
    """Ended on 20 May, 4 of 31 days of 90.00 were used: 11.61, of which half are 5.81."""
    sub, revision, coupon = coupon_in()
    ended = Component(Decimal(1), 4, 31, MAY, datetime(2026, 5, 20, tzinfo=UTC))
    line = rate_fee(sub, revision, (ended,), coupon)
    assert (str(line.net), "share" in line.explain["coupon"]) == ("5.80", False)
