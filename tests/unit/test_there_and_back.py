"""What a change takes back and what the change back charges: the same, to the minor unit (billing rules 1 and 10)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import new_id
from core.periods import CADENCES
from invoicing.closing.plan import missing_components
from invoicing.corrections.unused_time import find_unused_times
from invoicing.rating.coupon_on_part import coupon_on, left_of
from invoicing.rating.prorated_fee import rate_fee
from invoicing.windows.billed_and_waiting import Billed, BilledLine
from subscriptions.pricing import Discounts, parse_price
from subscriptions.schedule import CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts, obligations
from subscriptions.schedule.facts import QuantityAt
from tests.support import strategies as made

APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
SECONDS = 30 * 86400


class Terms(NamedTuple):
    """A fee's terms; seats as (seconds after 1 April, quantity), the first at 0; `planned` of them known from then."""

    amount: str
    currency: str = "USD"
    off: str | None = None
    coupon: tuple[str | None, str | None] | None = None
    seats: tuple[tuple[int, str], ...] = ()
    planned: int = 1

    def known_at(self, moment):
        """As it stood at `moment`: what was said up to then."""
        said = [seat for seat in self.seats[self.planned :] if APRIL + timedelta(seconds=seat[0]) <= moment]
        return self._replace(seats=(*self.seats[: self.planned], *said))


def day(number):
    return (number - 1) * 86400


def subscription(terms, start=APRIL, end=None):
    price = parse_price({"type": "flat", "amount": terms.amount, "paymentTerm": "in_advance"})
    coupons: tuple[CouponFacts, ...] = ()
    if terms.coupon is not None:
        share, amount = (None if figure is None else Decimal(figure) for figure in terms.coupon)
        coupons = (CouponFacts("C", share, amount, APRIL, None, carried_on=end is not None),)
    discounts = Discounts(None if terms.off is None else Decimal(terms.off))
    revision = RevisionFacts(new_id(), start, end, CADENCES["P1M"], price, discounts, "Fee")
    quantities = tuple(QuantityAt(APRIL + timedelta(seconds=at), Decimal(seats)) for at, seats in terms.seats)
    item = ItemFacts(new_id(), "fee", 1, (revision,), quantities, coupons)
    return SubscriptionFacts(new_id(), new_id(), terms.currency, "UTC", APRIL, CADENCES["P1M"], start, end, (item,))


def charge(sub):
    """The first window's components and net, as a close charges them at once."""
    window = next(iter(obligations(sub, since=sub.start, as_of=sub.start)))
    coupon = coupon_on(sub, window.item, window.revision, window.start, window.end)
    return window, coupon, rate_fee(sub, window.revision, window.components, coupon).net


def billed_until(terms, moment):
    """April as it was billed up to `moment`: the fee at its start, and each change of seats when it came."""
    lines: list[Any] = []
    before: list[Any] = []
    seats = terms.known_at(moment).seats
    for count in range(terms.planned, max(len(seats), 1) + 1):
        known = terms._replace(seats=seats[:count])
        sub = subscription(known)
        window, coupon, _ = charge(sub)
        parts = missing_components(window.components, before)
        if not parts:
            continue
        net = rate_fee(sub, window.revision, parts, left_of(coupon, sub, window.revision, before)).net
        if net < 0:
            # Fewer seats are not taken back in the middle of a period.
            continue
        lines.append(BilledLine(new_id(), new_id(), parts, net, net, None))
        before += parts
    return lines


def given_back(terms, moment):
    """What comes back when the subscription ends at `moment`, and what had been billed."""
    lines = billed_until(terms, moment)
    sub = subscription(terms.known_at(moment), end=moment)
    left = sum((line.net for line in lines), Decimal(0))
    back = cut_at(moment, sub, lines)
    assert all(amount > 0 for amount in back)
    return sum(back, Decimal(0)), left


def cut_at(moment, sub, lines):
    """What comes back of each line that gives something back."""
    billed = Billed(new_id(), APRIL, MAY, is_charge=True, revision_id=sub.items[0].revisions[0].id, lines=lines)
    return [part.amount for cut in find_unused_times(sub, {(sub.items[0].id, APRIL): billed}) for part in cut.unused]


def charged_again(terms, moment):
    """What the way back charges: a new subscription from `moment` on, with the seats and the coupon of the old one."""
    return charge(subscription(terms.known_at(moment), start=moment))[2]


FIGURES = {
    "a whole price": (Terms("30.00"), 16, "15.00"),
    "a discount of which each half rounds up": (Terms("0.99", off="50"), 16, "0.25"),
    "a third of a discounted price": (Terms("10.00", off="33.333"), 21, "2.22"),
    "half a yen": (Terms("101", "JPY", off="50"), 16, "25"),
    "fils": (Terms("1.001", "KWD", off="12.5"), 16, "0.438"),
    "a percentage coupon on a discounted price": (Terms("9.99", off="10", coupon=("15", None)), 16, "3.82"),
    "a fixed coupon": (Terms("30.00", coupon=(None, "5.00")), 16, "12.50"),
    "a fixed coupon worth more than the fee": (Terms("3.00", coupon=(None, "5.00")), 16, "0.00"),
    "seats added twice": (Terms("0.35", seats=((0, "1"), (day(4), "2"), (day(8), "3"))), 16, "0.53"),
    "seats added on the day of the change": (Terms("10.00", seats=((0, "5"), (day(16), "8"))), 16, "40.00"),
    "discounted seats with a coupon": (
        Terms("9.99", off="10", coupon=("50", None), seats=((0, "3"), (day(11), "7"))),
        21,
        "10.49",
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_what_comes_back_is_what_the_same_time_is_charged_again(name):
    terms, on, amount = FIGURES[name]
    moment = APRIL + timedelta(seconds=day(on))
    assert str(charged_again(terms, moment)) == amount
    assert given_back(terms, moment)[0] == Decimal(amount)


SIXTEENTH = APRIL + timedelta(seconds=day(16))
LESS_TEN = Terms("29.90", off="10")


def test_of_a_line_that_was_credited_already_the_share_of_what_is_left_comes_back():
    """Of 26.91, 10.00 came back before: half of the other 16.91 is 8.46, not the 13.45 that half a month costs."""
    (line,) = billed_until(LESS_TEN, SIXTEENTH)
    assert given_back(LESS_TEN, SIXTEENTH) == (Decimal("13.45"), Decimal("26.91"))
    line.net_left = Decimal("16.91")
    assert cut_at(SIXTEENTH, subscription(LESS_TEN, end=SIXTEENTH), [line]) == [Decimal("8.46")]


def test_what_was_billed_by_other_terms_than_the_items_comes_back_by_time():
    """26.91 was billed; the item's discount is 20 % by now. Half of what was billed comes back: 13.46."""
    lines = billed_until(LESS_TEN, SIXTEENTH)
    assert cut_at(SIXTEENTH, subscription(LESS_TEN._replace(off="20"), end=SIXTEENTH), lines) == [Decimal("13.46")]


def test_each_line_of_a_window_gives_back_its_share():
    """50.00 for 5 seats and 20.00 for 3 more from the 11th: on the 21st, of 26.67 for 8 seats, 16.67 and 10.00."""
    terms = Terms("10.00", seats=((0, "5"), (day(11), "8")))
    moment = APRIL + timedelta(seconds=day(21))
    lines = billed_until(terms, moment)
    assert [str(line.net) for line in lines] == ["50.00", "20.00"]
    assert cut_at(moment, subscription(terms, end=moment), lines) == [Decimal("16.67"), Decimal("10.00")]


def test_a_window_that_held_no_time_gives_back_all_that_it_charged():
    """0.33 for one seat, and 0.32 for another from the second day: not 0.66 for two from the start."""
    terms = Terms("0.33", seats=((0, "1"), (day(2), "2")))
    lines = billed_until(terms, APRIL + timedelta(seconds=day(2)))
    assert [str(line.net) for line in lines] == ["0.33", "0.32"]
    sub = subscription(terms, start=APRIL, end=APRIL)
    assert cut_at(APRIL, sub, lines) == [Decimal("0.33"), Decimal("0.32")]


@st.composite
def changes(draw):
    currency = draw(made.CURRENCIES)
    places = {"JPY": 0, "USD": 2, "KWD": 3}[currency]
    price = made.text(Decimal(draw(st.integers(1, 10**6))).scaleb(-places))
    percentages = made.decimals(100, 3).filter(lambda share: share <= 100).map(made.text)
    fixed = st.integers(1, 10**5).map(lambda minor: made.text(Decimal(minor).scaleb(-places)))
    coupon = draw(st.none() | percentages.map(lambda share: (share, None)) | fixed.map(lambda amount: (None, amount)))
    moments = sorted(draw(st.lists(st.integers(1, SECONDS - 1), max_size=4, unique=True)))
    planned = draw(st.integers(1, len(moments) + 1))
    seats = [draw(st.integers(0, 200)) for _ in range(planned)]
    # What is said later only adds: fewer seats are not taken back in the middle of a period.
    for _ in moments[planned - 1 :]:
        seats.append(seats[-1] + draw(st.integers(1, 100)))
    after = draw(st.sampled_from([0, *moments]))
    when = draw(st.just(after + 1) | st.integers(1, SECONDS - 1))
    quantities = tuple(zip([0, *moments], map(str, seats), strict=True))
    terms = Terms(price, currency, draw(st.none() | percentages), coupon, quantities, planned)
    return terms, APRIL + timedelta(seconds=min(when, SECONDS - 1))


@given(changes())
def test_a_change_there_and_back_in_one_second_costs_nothing(drawn):
    terms, moment = drawn
    back, billed = given_back(terms, moment)
    again = charged_again(terms, moment)
    # Nothing can come back that was not billed: a window whose parts were all rounded down may hold less.
    assert back == min(again, billed)
