"""REST and the admin say the same of a line: each step, figure, time and reason of one stands in the other.

Both texts are read back into what they say. A sentence or a row that is not understood fails, so nothing can be dropped
by one of them, or added to it, without the other.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import new_id
from core.periods import Period
from invoicing.admin.rating.line_explanation import line_explanation
from invoicing.corrections.explain_credits import AS_CHARGED, GIVEN_BY_NOTE, given_by_note, lessened
from invoicing.models import InvoiceLine
from invoicing.rating import Coupon, FlatComponent, rate, read_explanation, readable
from invoicing.rating.basis import Basis, FromItem, FromMeter, FromReport, Metering
from invoicing.rating.explanation import (
    UNUSED,
    ChargeExplanation,
    CreditExplanation,
    ExplainedPart,
    Explanation,
)
from invoicing.rating.explanation_json import to_stored
from subscriptions.schedule.facts import PriceSource
from tests.support import strategies as made
from tests.support.clock import at
from tests.support.explanations import Said, admin_says, rest_says
from tests.support.rating import rated, tiered

DAY = 86400
APRIL = Period(at("2026-04-01"), at("2026-05-01"))
LATE_APRIL = Period(at("2026-04-17"), at("2026-05-01"))
ITEM = FromItem()
PLAN = PriceSource("plan", "basic", 3)
ADDED = FlatComponent(Decimal(2), 14, 30, LATE_APRIL.start, LATE_APRIL.end)


def line_of(explanation: Explanation, period: Period) -> InvoiceLine:
    """A line that is stored nowhere, with this explanation and the money that it says, without tax."""
    zero = explanation.net - explanation.net
    charge = explanation if isinstance(explanation, ChargeExplanation) else None
    return InvoiceLine(
        period_start=period.start,
        period_end=period.end,
        currency=explanation.currency,
        explain=to_stored(explanation),
        amount=charge.totals.amount if charge else explanation.net,
        charges_total=charge.totals.charges if charge else zero,
        discounts_total=charge.totals.discounts if charge else zero,
        credits_total=zero,
        taxes_exclusive_total=zero,
        taxes_inclusive_total=zero,
        total=explanation.net,
    )


def both_say(explanation: Explanation, period: Period = APRIL) -> tuple[Said, Said]:
    """What REST says of `explanation`, and what the admin does, each with what it leaves to the reader filled in."""
    rest = rest_says(readable(read_explanation(to_stored(explanation))))
    admin = admin_says(line_explanation(line_of(explanation, period), live=False))
    # A line without a basis is asked about together with its time.
    rest.window = rest.window or (period.start, period.end)
    for said in (rest, admin):
        for part in said.parts:
            part[1] = part[1] or said.window
    if isinstance(explanation, ChargeExplanation):
        for said in (rest, admin):
            # Nothing comes off, or came before: the parts say it. A flat fee has no quantity to be told.
            window = said.quantities.setdefault("window", said.quantities.get("priced", explanation.quantity.window))
            said.quantities.setdefault("priced", window)
        # What came before is told over REST where it matters: with the maximum, or the minimum, that it counts towards.
        if rest.billed_earlier is None:
            admin.billed_earlier = None
        rest.billed_earlier = rest.billed_earlier or None
    return rest, admin


def agree(explanation: Explanation, period: Period = APRIL) -> None:
    rest, admin = both_say(explanation, period)
    assert rest == admin


def charge(price, quantity="0", *, basis=None, **rest) -> ChargeExplanation:
    explanation = read_explanation(rated(price, quantity, **rest).explain)
    assert isinstance(explanation, ChargeExplanation)
    return replace(explanation, basis=basis)


def credit(*, same_time=None, share=(15 * DAY, 30 * DAY)) -> CreditExplanation:
    unused = ExplainedPart(
        UNUSED,
        "Unused part: Basic fee",
        Decimal(-1),
        Decimal("30.00"),
        Decimal("-15.00"),
        Decimal("-15.00"),
        fraction=share,
        period=LATE_APRIL,
    )
    return CreditExplanation(
        currency="EUR", parts=(unused,), net=Decimal("-15.00"), credits=new_id(), same_time=same_time
    )


def basis(quantity=ITEM, price=PLAN, full_period=None) -> Basis:
    return Basis(APRIL if full_period is None else LATE_APRIL, quantity, price, full_period)


UNIT = {"type": "unit", "amount": "0.0125"}
FLAT = {"type": "flat", "amount": "90.00"}
COUNTED = FromMeter(Metering("calls", "SUM", "usage", "$.tokens", (("$.model", ("gpt-3", "gpt-4")),)), 1200)
TIERS = (("5", "100", None), ("10", "50", "2"), (None, None, "1"))
LIMITED = {**UNIT, "minimumAmount": "10", "maximumAmount": "20"}
KINDS: dict[str, Explanation] = {
    "a flat fee": charge(FLAT, "1"),
    "a flat fee for a part": charge(FLAT, "1", fraction=(14 * DAY, 30 * DAY)),
    "seats that were added": charge(FLAT, "3", components=(FlatComponent(Decimal(1), 1, 1), ADDED)),
    "units": charge(UNIT, "1250.5"),
    "units, some billed earlier and some free": charge(UNIT, "50", earlier="90", free="100"),
    "nothing": charge(UNIT, "0"),
    "a percentage off": charge(UNIT, "1250", percent=10),
    "a coupon in percent": charge(UNIT, "1250", coupon=Coupon("QUARTER", percentage=Decimal(25))),
    "a coupon in percent for a part of the time": charge(
        UNIT, "1250", coupon=Coupon("QUARTER", percentage=Decimal(25), share=(16, 31))
    ),
    "a coupon of an amount": charge(UNIT, "1250", coupon=Coupon("FIVE", remaining=Decimal("5.00"))),
    "both": charge(UNIT, "1250", percent=10, coupon=Coupon("FIVE", remaining=Decimal("5.00"))),
    "graduated tiers": charge(tiered("graduated", *TIERS), "22"),
    "volume tiers": charge(tiered("volume", *TIERS), "7"),
    "packages": charge({"type": "package", "amount": "0.95", "quantityPerPackage": "25"}, "31"),
    "packages, some billed earlier": charge(
        {"type": "package", "amount": "0.95", "quantityPerPackage": "25"}, "31", earlier="30", free="5"
    ),
    "a percentage with a fee per event": charge(
        {"type": "percentage", "percentage": "2.5", "fixedFeePerEvent": "0.10"}, "300", event_count=4
    ),
    "a dynamic price": charge({"type": "dynamic", "multiplier": "1.5"}, "300"),
    "a minimum": charge(LIMITED, "10", billed="2", earlier="160"),
    "a minimum for a part": charge(LIMITED, "10", fraction=(14 * DAY, 30 * DAY)),
    "a minimum that the maximum bounds": charge({**LIMITED, "minimumAmount": "19"}, "0", fraction=(60 * DAY, 30 * DAY)),
    "a maximum": charge(LIMITED, "4000", percent=10),
    "a maximum that earlier parts have nearly used": charge(LIMITED, "4000", billed="19.00", earlier="1520"),
    "an item": charge(FLAT, "1", basis=basis()),
    "a part of a full period": charge(FLAT, "1", fraction=(14 * DAY, 30 * DAY), basis=basis(full_period=APRIL)),
    "a meter": charge(UNIT, "1250", basis=basis(COUNTED)),
    "a meter of events": charge(UNIT, "1", basis=basis(FromMeter(Metering("calls", "COUNT", "usage"), 1))),
    "a report": charge(UNIT, "1250", basis=basis(FromReport(at("2026-04-20T09:30:15")))),
    "a report to come": charge(UNIT, "0", basis=basis(FromReport(None))),
    "an add-on": charge(FLAT, "1", basis=basis(price=PriceSource("addon", "support", 2))),
    "terms of the customer's own": charge(FLAT, "1", basis=basis(price=PriceSource("custom"))),
    "a credit": credit(),
    "a credit of a product of shares": credit(share=(105, 899)),
    "a credit by another charge": lessened(
        credit(same_time=charge(FLAT, "1", fraction=(1, 3), coupon=Coupon("QUARTER", percentage=Decimal(25)))),
        AS_CHARGED,
        Decimal("-7.50"),
    ),
    "a credit of which a note gives a part": lessened(credit(), GIVEN_BY_NOTE, Decimal("5.00")),
    "a line of a credit note": given_by_note(credit(), Decimal("5.00")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rest_and_admin_say_the_same_of(kind):
    explanation = KINDS[kind]
    in_late_april = isinstance(explanation, CreditExplanation) or (
        isinstance(explanation, ChargeExplanation)
        and explanation.basis is not None
        and explanation.basis.full_period is not None
    )
    agree(explanation, LATE_APRIL if in_late_april else APRIL)


@given(st.one_of(made.usage_lines(), made.plain_lines(), made.flat_lines()))
def test_rest_and_admin_say_the_same_of_any_charge(line):
    agree(read_explanation(rate(line).explain))


def without_a_word(texts: list[str]) -> Iterator[list[str]]:
    """The texts without each of them, once."""
    for position in range(len(texts)):
        yield texts[:position] + texts[position + 1 :]


@pytest.mark.parametrize(
    "kind", ["units, some billed earlier and some free", "both", "a minimum for a part", "a meter"]
)
def test_the_comparison_itself_sees_a_sentence_that_is_left_out(kind):
    sentences = readable(KINDS[kind])
    whole = rest_says(sentences)
    for fewer in without_a_word(sentences):
        assert rest_says(fewer) != whole
