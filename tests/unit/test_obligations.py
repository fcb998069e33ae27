"""What ought to be billed when: windows, due times and components from facts (billing rules 2, 4, 10)."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile
from uuid import UUID

import pytest

from core.ids import new_id
from core.periods import CADENCES
from subscriptions.pricing import NO_DISCOUNTS, parse_price
from subscriptions.schedule import AnchorShift, CouponFacts, ItemFacts, RevisionFacts, SubscriptionFacts, obligations
from subscriptions.schedule.facts import EarlierUse, QuantityAt, Span

ADVANCE = parse_price({"type": "flat", "amount": "10.00", "paymentTerm": "in_advance"})
ARREARS = parse_price({"type": "flat", "amount": "10.00", "paymentTerm": "in_arrears"})
UNIT = parse_price({"type": "unit", "amount": "1.00"})
BEFORE = UUID(int=7)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def revision(price=ADVANCE, start="2026-04-01", end=None, cadence="P1M"):
    return RevisionFacts(
        id=new_id(),
        start=at(start),
        end=at(end) if end else None,
        cadence=CADENCES[cadence] if cadence else None,
        price=price,
        discounts=NO_DISCOUNTS,
        name="Item",
    )


def item(*revisions, **facts):
    return ItemFacts(id=new_id(), key="item", running_number=1, revisions=revisions or (revision(),), **facts)


def subscription(*items, start="2026-04-01", end=None, anchor=None, zone="UTC", **facts):
    return SubscriptionFacts(
        id=new_id(),
        customer_id=new_id(),
        currency="EUR",
        zone=zone,
        anchor=at(anchor or start),
        cadence=CADENCES["P1M"],
        start=at(start),
        end=at(end) if end else None,
        items=items or (item(revision(start=start)),),
        **facts,
    )


def windows(sub, as_of, since=None):
    found = obligations(sub, since=at(since) if since else sub.start, as_of=at(as_of))
    return [(str(o.start)[:16], str(o.end)[:16], str(o.invoice_at)[:16]) for o in found]


def fractions(sub, as_of):
    return [
        [(c.numerator, c.denominator) for c in o.components] for o in obligations(sub, since=sub.start, as_of=at(as_of))
    ]


def test_a_fee_in_advance_falls_due_at_its_start_and_the_next_one_waits():
    assert windows(subscription(), "2026-05-01") == [
        ("2026-04-01 00:00", "2026-05-01 00:00", "2026-04-01 00:00"),
        ("2026-05-01 00:00", "2026-06-01 00:00", "2026-05-01 00:00"),
        ("2026-06-01 00:00", "2026-07-01 00:00", "2026-06-01 00:00"),
    ]


@pytest.mark.parametrize("price", [ARREARS, UNIT])
def test_what_is_billed_in_arrears_falls_due_at_its_end(price):
    assert windows(subscription(item(revision(price))), "2026-05-01") == [
        ("2026-04-01 00:00", "2026-05-01 00:00", "2026-05-01 00:00"),
        ("2026-05-01 00:00", "2026-06-01 00:00", "2026-06-01 00:00"),
    ]


def test_only_windows_that_end_after_since_are_looked_at():
    assert windows(subscription(), "2026-07-15", since="2026-07-01") == [
        ("2026-07-01 00:00", "2026-08-01 00:00", "2026-07-01 00:00"),
        ("2026-08-01 00:00", "2026-09-01 00:00", "2026-08-01 00:00"),
    ]


def test_an_anchor_on_the_31st_never_drifts():
    sub = subscription(item(revision(start="2028-01-31")), start="2028-01-31")
    assert [start for start, _, _ in windows(sub, "2028-04-30")] == [
        "2028-01-31 00:00",
        "2028-02-29 00:00",
        "2028-03-31 00:00",
        "2028-04-30 00:00",
        "2028-05-31 00:00",
    ]


def test_boundaries_keep_the_local_wall_time_across_a_clock_change():
    # Midnight in Berlin is 23:00 UTC in winter and 22:00 UTC in summer.
    sub = subscription(item(revision(start="2026-02-28T23:00")), start="2026-02-28T23:00", zone="Europe/Berlin")
    assert [start for start, _, _ in windows(sub, "2026-04-01")] == [
        "2026-02-28 23:00",
        "2026-03-31 22:00",
        "2026-04-30 22:00",
    ]


def test_a_first_period_cut_short_by_the_anchor_is_prorated():
    sub = subscription(item(revision(start="2026-04-16")), start="2026-04-16", anchor="2026-04-01")
    assert fractions(sub, "2026-05-01")[:2] == [[(15 * 86400, 30 * 86400)], [(31 * 86400, 31 * 86400)]]


def test_a_last_period_cut_short_is_prorated_31_of_91_days():
    sub = subscription(item(revision(cadence="P3M")), end="2026-05-02")
    assert fractions(sub, "2026-05-02") == [[(31 * 86400, 91 * 86400)]]


def test_without_proration_a_short_period_costs_a_whole_one():
    sub = subscription(item(revision(cadence="P3M")), end="2026-05-02", prorate=False)
    assert fractions(sub, "2026-05-02") == [[(1, 1)]]


def test_usage_of_a_short_period_is_not_prorated_but_its_minimum_is():
    sub = subscription(item(revision(UNIT)), end="2026-04-16")
    [only] = obligations(sub, since=sub.start, as_of=at("2026-04-16"))
    assert (only.components, only.share, only.closes) == ((), (15 * 86400, 30 * 86400), True)


def test_seats_are_counted_at_the_start_and_each_change_for_the_time_left():
    seats = item(quantities=(QuantityAt(at("2026-04-01"), Decimal(5)), QuantityAt(at("2026-04-16"), Decimal(8))))
    [april, may] = obligations(subscription(seats), since=at("2026-04-01"), as_of=at("2026-04-20"))
    day = 86400
    assert [tuple(c[:3]) for c in april.components] == [
        (Decimal(5), 30 * day, 30 * day),
        (Decimal(3), 15 * day, 30 * day),
    ]
    assert [tuple(c[:3]) for c in may.components] == [(Decimal(8), 31 * day, 31 * day)]


def test_a_one_time_fee_is_due_once_and_settles_its_item_for_good():
    sub = subscription(item(revision(cadence=None)))
    [fee] = obligations(sub, since=sub.start, as_of=at("2027-01-01"))
    assert (fee.start, fee.end, fee.settles_until, fee.invoice_at) == (
        at("2026-04-01"),
        at("2026-05-01"),
        None,
        at("2026-04-01"),
    )
    assert [(c.numerator, c.denominator) for c in fee.components] == [(1, 1)]


def test_a_one_time_fee_of_a_phase_that_ended_is_not_looked_at_again():
    sub = subscription(item(revision(cadence=None, end="2026-05-01")))
    assert windows(sub, "2026-06-01", since="2026-04-30") == [
        ("2026-04-01 00:00", "2026-05-01 00:00", "2026-04-01 00:00")
    ]
    assert windows(sub, "2026-06-01", since="2026-05-01") == []


def test_phases_follow_each_other_in_the_middle_of_a_period():
    ramp = item(revision(end="2026-04-16"), revision(start="2026-04-16"))
    assert windows(subscription(ramp), "2026-04-16") == [
        ("2026-04-01 00:00", "2026-04-16 00:00", "2026-04-01 00:00"),
        ("2026-04-16 00:00", "2026-05-01 00:00", "2026-04-16 00:00"),
        ("2026-05-01 00:00", "2026-06-01 00:00", "2026-05-01 00:00"),
    ]


def test_a_free_phase_bills_nothing():
    trial = item(revision(price=None, end="2026-05-01"), revision(start="2026-05-01"))
    assert windows(subscription(trial), "2026-04-10") == [("2026-05-01 00:00", "2026-06-01 00:00", "2026-05-01 00:00")]


def test_a_paused_stretch_is_left_out():
    sub = subscription(pauses=(Span(at("2026-04-11"), at("2026-04-21")),))
    assert windows(sub, "2026-04-30") == [
        ("2026-04-01 00:00", "2026-04-11 00:00", "2026-04-01 00:00"),
        ("2026-04-21 00:00", "2026-05-01 00:00", "2026-04-21 00:00"),
        ("2026-05-01 00:00", "2026-06-01 00:00", "2026-05-01 00:00"),
    ]


def test_an_open_pause_ends_what_is_billed():
    sub = subscription(pauses=(Span(at("2026-04-11"), None),))
    assert windows(sub, "2026-09-01") == [("2026-04-01 00:00", "2026-04-11 00:00", "2026-04-01 00:00")]


def test_a_pause_over_whole_periods_leaves_them_out():
    sub = subscription(pauses=(Span(at("2026-05-01"), at("2026-07-01")),))
    assert [start for start, _, _ in windows(sub, "2026-07-02")] == [
        "2026-04-01 00:00",
        "2026-07-01 00:00",
        "2026-08-01 00:00",
    ]


def test_usage_after_a_pause_counts_on_from_before_it():
    usage = item(revision(UNIT))
    sub = subscription(usage, pauses=(Span(at("2026-04-11"), at("2026-04-21")),))
    first, second = takewhile(
        lambda o: o.start < at("2026-05-01"), obligations(sub, since=sub.start, as_of=at("2026-05-01"))
    )
    assert (first.earlier, first.closes) == ((), False)
    assert (second.earlier, second.closes) == ((EarlierUse(usage.id, at("2026-04-01"), at("2026-04-11")),), True)
    assert second.share == (20 * 86400, 30 * 86400)


def test_usage_goes_on_in_the_item_that_takes_over_the_period():
    new = item(revision(UNIT, start="2026-04-16"), earlier=(EarlierUse(BEFORE, at("2026-04-01"), at("2026-04-16")),))
    sub = subscription(new, start="2026-04-16", anchor="2026-04-01")
    first, second = obligations(sub, since=sub.start, as_of=at("2026-05-01"))
    assert first.earlier == (EarlierUse(BEFORE, at("2026-04-01"), at("2026-04-16")),)
    assert (first.closes, first.share) == (True, (30 * 86400, 30 * 86400))
    assert second.earlier == ()


CALLS, SEATS = UUID(int=1), UUID(int=2)


def test_usage_goes_on_over_a_new_price_of_the_same_feature():
    old, new = revision(UNIT, end="2026-04-16"), revision(UNIT, start="2026-04-16")
    usage = item(replace(old, feature_id=CALLS), replace(new, feature_id=CALLS))
    first, second, *_ = obligations(subscription(usage), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert (first.earlier, first.closes) == ((), False)
    assert (second.earlier, second.closes) == ((EarlierUse(usage.id, at("2026-04-01"), at("2026-04-16")),), True)
    assert second.share == (30 * 86400, 30 * 86400)


@pytest.mark.parametrize(("feature", "cadence", "ends"), [(SEATS, "P1M", "2026-05-01"), (CALLS, "P1W", "2026-04-22")])
def test_usage_of_another_feature_or_in_another_rhythm_starts_anew(feature, cadence, ends):
    old, new = revision(UNIT, end="2026-04-16"), revision(UNIT, start="2026-04-16", cadence=cadence)
    usage = item(replace(old, feature_id=CALLS), replace(new, feature_id=feature))
    first, second, *_ = obligations(subscription(usage), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert (first.end, first.closes, first.share) == (at("2026-04-16"), True, (15 * 86400, 30 * 86400))
    assert (second.start, second.end) == (at("2026-04-16"), at(ends))
    assert (second.earlier, second.closes) == ((), True)


def test_usage_that_was_taken_over_does_not_count_for_another_feature():
    old, new = revision(UNIT, "2026-04-11", end="2026-04-16"), revision(UNIT, start="2026-04-16")
    taken_over = (EarlierUse(BEFORE, at("2026-04-01"), at("2026-04-11")),)
    usage = item(replace(old, feature_id=CALLS), replace(new, feature_id=SEATS), earlier=taken_over)
    sub = subscription(usage, start="2026-04-11", anchor="2026-04-01")
    first, second, *_ = obligations(sub, since=at("2026-04-11"), as_of=at("2026-05-01"))
    assert (first.earlier, second.earlier) == (taken_over, ())


def test_the_item_that_is_taken_over_does_not_close_its_period():
    old = item(revision(UNIT), continued_at=at("2026-04-16"))
    [only] = obligations(subscription(old, end="2026-04-16"), since=at("2026-04-01"), as_of=at("2026-04-16"))
    assert only.closes is False


def test_an_extended_period_charges_its_extra_days_when_it_was_extended():
    shift = AnchorShift(
        boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=CADENCES["P1M"]
    )
    sub = subscription(shifts=(shift,))
    assert windows(sub, "2026-04-16") == [
        ("2026-04-01 00:00", "2026-05-01 00:00", "2026-04-01 00:00"),
        ("2026-05-01 00:00", "2026-05-16 00:00", "2026-04-16 00:00"),
        ("2026-05-16 00:00", "2026-06-16 00:00", "2026-05-16 00:00"),
    ]
    assert fractions(sub, "2026-04-16")[:2] == [[(30 * 86400, 30 * 86400)], [(15 * 86400, 30 * 86400)]]


def test_usage_in_an_extended_period_is_one_window():
    shift = AnchorShift(
        boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=CADENCES["P1M"]
    )
    sub = subscription(item(revision(UNIT)), shifts=(shift,))
    assert windows(sub, "2026-05-16") == [
        ("2026-04-01 00:00", "2026-05-16 00:00", "2026-05-16 00:00"),
        ("2026-05-16 00:00", "2026-06-16 00:00", "2026-06-16 00:00"),
    ]


@pytest.mark.parametrize("since", ["2026-05-01", "2026-05-05", "2026-05-15T23:59:59"])
def test_the_rest_of_an_extended_period_costs_the_same_when_it_is_looked_at_alone(since):
    shift = AnchorShift(
        boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=CADENCES["P1M"]
    )
    rest, following = obligations(subscription(shifts=(shift,)), since=at(since), as_of=at("2026-05-15"))
    assert (rest.start, rest.end, rest.invoice_at) == (at("2026-05-01"), at("2026-05-16"), at("2026-04-16"))
    assert [tuple(part[1:3]) for part in rest.components] == [(15 * 86400, 30 * 86400)]
    assert (following.start, following.end) == (at("2026-05-16"), at("2026-06-16"))


def test_an_extended_month_leaves_weeks_as_they_were():
    shift = AnchorShift(
        boundary=at("2026-05-01"), anchor=at("2026-05-16"), at=at("2026-04-16"), cadence=CADENCES["P1M"]
    )
    weekly = item(revision(cadence="P1W"))
    assert [start for start, _, _ in windows(subscription(weekly, shifts=(shift,)), "2026-05-06")] == [
        "2026-04-01 00:00",
        "2026-04-08 00:00",
        "2026-04-15 00:00",
        "2026-04-22 00:00",
        "2026-04-29 00:00",
        "2026-05-06 00:00",
        "2026-05-13 00:00",
    ]


def test_only_the_next_window_of_an_item_waits_also_where_other_terms_follow():
    ramp = item(
        revision(end="2026-05-16"), revision(start="2026-05-16", end="2026-06-16"), revision(start="2026-06-16")
    )
    assert [start for start, _, _ in windows(subscription(ramp), "2026-04-10")] == [
        "2026-04-01 00:00",
        "2026-05-01 00:00",
    ]


def test_a_coupon_reduces_what_starts_in_its_time_and_the_oldest_one_wins():
    def coupon(code, start, end):
        return CouponFacts(code, Decimal(50), None, at(start), at(end) if end else None)

    april, later = coupon("APRIL", "2026-04-01", "2026-05-01"), coupon("LATER", "2026-04-15", None)
    discounted = item(coupons=(april, later))
    found = obligations(subscription(discounted), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert [window.coupon.code for window in found] == ["APRIL", "LATER", "LATER"]
    late = item(coupons=(coupon("MAY", "2026-05-01", None),))
    found = obligations(subscription(late), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert [window.coupon and window.coupon.code for window in found] == [None, "MAY", "MAY"]


def test_terms_that_were_taken_away_are_no_other_rhythm_for_a_coupon():
    """A year was planned from 1 May on, and taken back."""
    half = CouponFacts("HALF", Decimal(50), None, at("2026-04-01"), at("2026-06-01"))
    monthly = item(revision(), revision(start="2026-05-01", end="2026-05-01", cadence="P1Y"), coupons=(half,))
    found = obligations(subscription(monthly), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert [window.coupon and window.coupon.code for window in found] == ["HALF", "HALF", None]


def seats(*changes, **facts):
    quantities = tuple(QuantityAt(at(moment), Decimal(quantity)) for moment, quantity in changes)
    return subscription(item(quantities=quantities), **facts)


@pytest.mark.parametrize(
    ("changes", "facts", "expected"),
    [
        ([("2026-04-01", 5), ("2026-04-16", 8), ("2026-04-21", 9)], {}, [(5, 30, 30), (3, 15, 30), (1, 10, 30)]),
        # The same said again changes nothing, and what counts from the next period on is none of this one's.
        ([("2026-04-01", 5), ("2026-04-10", 5), ("2026-05-01", 8)], {}, [(5, 30, 30)]),
    ],
)
def test_each_change_of_seats_counts_from_where_the_one_before_left_off(changes, facts, expected):
    april = next(obligations(seats(*changes, **facts), since=at("2026-04-01"), as_of=at("2026-04-20")))
    assert [(part[0], part[1] // 86400, part[2] // 86400) for part in april.components] == expected


def test_without_proration_seats_that_come_later_cost_a_whole_period():
    sub = seats(("2026-04-01", 5), ("2026-04-16", 8), prorate=False)
    april = next(obligations(sub, since=at("2026-04-01"), as_of=at("2026-04-20")))
    assert [tuple(part[:3]) for part in april.components] == [(Decimal(5), 1, 1), (Decimal(3), 1, 1)]


def test_terms_from_before_the_subscription_count_from_its_start_on():
    sub = subscription(item(revision(start="2026-03-01")), start="2026-04-16", anchor="2026-04-01")
    assert windows(sub, "2026-04-20")[0] == ("2026-04-16 00:00", "2026-05-01 00:00", "2026-04-16 00:00")


def test_no_pause_divides_a_fee_that_is_charged_once():
    sub = subscription(item(revision(cadence=None)), pauses=(Span(at("2026-04-11"), at("2026-04-21")),))
    assert windows(sub, "2026-06-01") == [("2026-04-01 00:00", "2026-05-01 00:00", "2026-04-01 00:00")]


def test_a_one_time_fee_in_arrears_falls_due_when_its_terms_end_and_is_shown_until_then_at_most():
    def once(end):
        return windows(subscription(item(revision(ARREARS, cadence=None, end=end))), "2026-06-01")

    assert once("2026-05-20") == [("2026-04-01 00:00", "2026-05-01 00:00", "2026-05-20 00:00")]
    assert once("2026-04-16") == [("2026-04-01 00:00", "2026-04-16 00:00", "2026-04-16 00:00")]
    assert once(None) == []


def test_what_was_taken_over_counts_in_its_own_period_only():
    taken_over = (EarlierUse(BEFORE, at("2026-04-01"), at("2026-04-16")),)
    new = item(revision(UNIT, start="2026-04-16"), earlier=taken_over)
    sub = subscription(new, start="2026-04-16", end="2026-05-11", anchor="2026-04-01")
    april, may = obligations(sub, since=sub.start, as_of=at("2026-05-11"))
    assert (april.earlier, may.earlier) == (taken_over, ())
    assert may.share == (10 * 86400, 31 * 86400)


def test_a_fee_that_becomes_a_price_of_usage_has_used_nothing():
    changed = item(revision(ADVANCE, end="2026-04-16"), revision(UNIT, start="2026-04-16"))
    _, usage, *_ = obligations(subscription(changed), since=at("2026-04-01"), as_of=at("2026-05-01"))
    assert (usage.earlier, usage.closes, usage.share) == ((), True, (15 * 86400, 30 * 86400))


def test_without_proration_a_minimum_of_a_short_period_is_a_whole_one():
    sub = subscription(item(revision(UNIT)), end="2026-04-16", prorate=False)
    [only] = obligations(sub, since=sub.start, as_of=at("2026-04-16"))
    assert only.share == (1, 1)


def test_a_share_that_ends_within_a_second_is_counted_in_microseconds():
    sub = subscription(item(revision(UNIT)), end="2026-04-16T00:00:00.500000")
    [only] = obligations(sub, since=sub.start, as_of=at("2026-04-17"))
    assert only.share == (1_296_000_500_000, 2_592_000_000_000)


def test_usage_is_cut_where_its_splits_are():
    """Each part knows what of its period came before it, and only the last one closes the period."""
    cut = item(revision(price=UNIT), splits=(at("2026-04-16"), at("2026-04-20"), at("2026-05-01")))
    found = list(obligations(subscription(cut), since=at("2026-04-01"), as_of=at("2026-05-01")))
    assert [(f"{o.start:%m-%d}", f"{o.end:%m-%d}", o.invoice_at == o.end, o.closes) for o in found] == [
        ("04-01", "04-16", True, False),
        ("04-16", "04-20", True, False),
        ("04-20", "05-01", True, True),
        ("05-01", "06-01", True, True),
    ]
    assert [[f"{use.start:%m-%d}" for use in o.earlier] for o in found] == [[], ["04-01"], ["04-01", "04-16"], []]
    assert [Fraction(*o.share) for o in found] == [Fraction(1, 2), Fraction(19, 30), 1, 1]


def test_a_split_cuts_no_flat_fee():
    cut = item(revision(price=ARREARS), splits=(at("2026-04-16"),))
    assert windows(subscription(cut), "2026-05-01")[0] == ("2026-04-01 00:00", "2026-05-01 00:00", "2026-05-01 00:00")


def test_a_split_at_another_revision_of_the_period_is_no_window_of_nothing():
    """The price changes on the 16th, where the period was cut, too."""
    edited = item(
        revision(price=UNIT, end="2026-04-16"), revision(price=UNIT, start="2026-04-16"), splits=(at("2026-04-16"),)
    )
    assert [row[:2] for row in windows(subscription(edited), "2026-04-30")] == [
        ("2026-04-01 00:00", "2026-04-16 00:00"),
        ("2026-04-16 00:00", "2026-05-01 00:00"),
    ]


def test_the_parts_of_a_window_tile_it_and_know_each_other():
    """Cut by a change on the 8th, billed up to the 11th and the 21st: one window up to the 8th, a group from it on."""
    cuts = {"splits": (at("2026-04-08"),), "progressive_splits": (at("2026-04-11"), at("2026-04-21"))}
    used = subscription(item(revision(UNIT), **cuts))
    found = [
        each for each in obligations(used, since=used.start, as_of=at("2026-05-01")) if each.end <= at("2026-05-01")
    ]
    assert [(f"{each.start:%d}", f"{each.end:%d}", len(each.earlier), each.closes) for each in found] == [
        ("01", "08", 0, False),
        ("08", "11", 1, False),
        ("11", "21", 2, False),
        ("21", "01", 3, True),
    ]
    assert [each.group and each.group.start for each in found] == [None, *[at("2026-04-08")] * 3]
    assert [each.is_last_part for each in found] == [True, False, False, True]
    group = found[1].group
    assert (group.end, [(part.start, part.end) for part in group.parts]) == (
        at("2026-05-01"),
        [(each.start, each.end) for each in found[1:]],
    )
