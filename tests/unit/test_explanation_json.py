"""Stored explanations are read and written without loss, whatever the line; spliced texts are those of the writer."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import new_id
from core.jsontext import canonical_json
from core.periods import Period
from invoicing.corrections.explain_credits import GIVEN_BY_NOTE, given_by_note, lessened, without_note
from invoicing.rating import rate, read_explanation
from invoicing.rating.basis import Basis, FromItem, FromMeter, FromReport, Metering
from invoicing.rating.explanation import (
    UNUSED,
    ChargeExplanation,
    CreditExplanation,
    ExplainedPart,
    QuantitySteps,
    Totals,
)
from invoicing.rating.explanation_json import read_credit, to_json, to_stored, with_basis
from subscriptions.schedule.facts import PriceSource
from tests.support import strategies as made
from tests.support.rating import rated

PERIODS = st.lists(made.MOMENTS, min_size=2, max_size=2).map(lambda times: Period(*sorted(times)))
# Quotes, backslashes, controls, letters beyond ASCII: whatever a name may hold.
NAMES = st.text(min_size=1, max_size=20)


@st.composite
def timed_flat_lines(draw):
    """Lines of a flat price whose components name their times."""
    line = draw(made.flat_lines())
    timed = []
    for component in line.components:
        period = draw(PERIODS)
        timed.append(component._replace(start=period.start, end=period.end))
    return line._replace(components=tuple(timed))


ANY_LINE = st.one_of(made.usage_lines(), made.plain_lines(), made.flat_lines(), timed_flat_lines())
METERINGS = st.builds(
    Metering,
    NAMES,
    st.sampled_from(["COUNT", "SUM", "UNIQUE_COUNT"]),
    NAMES,
    st.none() | NAMES,
    st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=3).map(
        lambda filters: tuple(sorted(filters.items()))
    ),
)
SOURCES = st.one_of(
    st.just(FromItem()),
    st.builds(FromReport, st.none() | made.MOMENTS),
    st.builds(FromMeter, METERINGS, st.integers(0, 10**9)),
)
PRICE_SOURCES = st.just(PriceSource("custom")) | st.builds(
    PriceSource, st.sampled_from(["plan", "addon"]), NAMES, st.integers(1, 100)
)
BASES = st.builds(Basis, PERIODS, SOURCES, PRICE_SOURCES, st.none() | PERIODS)
MONEY = st.integers(-(10**9), 10**9).map(lambda minor: Decimal(minor).scaleb(-2))


@st.composite
def credits(draw):
    """Credits with and without what later versions of the software added."""
    amount = draw(MONEY)
    unused = ExplainedPart(
        UNUSED,
        draw(NAMES),
        Decimal(-1),
        draw(MONEY),
        amount,
        amount,
        fraction=draw(st.tuples(st.integers(0, 10**7), st.integers(1, 10**7))),
        period=draw(PERIODS),
    )
    line = rate(draw(made.flat_lines()))
    whole = CreditExplanation(
        currency="EUR",
        parts=(unused,),
        net=amount,
        credits=draw(st.sampled_from([None, new_id()])),
        same_time=draw(st.sampled_from([None, read_explanation(line.explain)])),
    )
    return lessened(whole, GIVEN_BY_NOTE, draw(st.just(Decimal("0.00")) | MONEY))


@given(ANY_LINE)
def test_what_rating_writes_is_what_the_writer_writes_of_the_explanation_read(line):
    text = rate(line).explanation
    assert to_json(read_explanation(json.loads(text))) == text


@given(ANY_LINE)
def test_an_explanation_says_what_was_rated_and_what_came_of_it(line):
    money = rate(line)
    explanation = read_explanation(money.explain)
    assert isinstance(explanation, ChargeExplanation)
    assert explanation.quantity == QuantitySteps(line.quantity, money.quantity, line.pre_quantity, money.free_quantity)
    assert explanation.totals == Totals(money.amount, money.charges_total, money.discounts_total)
    assert (explanation.net, explanation.currency) == (money.net, line.currency)
    assert (explanation.price, explanation.discounts) == (line.price, line.discounts)
    assert (explanation.coupon, explanation.components) == (line.coupon, line.components)
    assert [
        (part.kind, part.name, part.quantity, part.unit_amount, part.amount, part.total, part.tier, part.discounts)
        for part in explanation.parts
    ] == [
        (part.kind, part.name, part.quantity, part.unit_amount, part.amount, part.total, part.tier, part.discounts)
        for part in money.detailed
    ]
    assert [Fraction(*(part.fraction or (1, 1))) for part in explanation.parts] == [
        Fraction(*part.fraction) for part in money.detailed
    ]
    assert [None if part.period is None else part.period.start for part in explanation.parts] == [
        part.start for part in money.detailed
    ]


@given(made.plain_lines(), BASES)
def test_a_basis_is_spliced_in_as_the_writer_writes_it(line, basis):
    text = rate(line).explanation
    whole = with_basis(text, basis)
    explanation = replace(read_explanation(json.loads(text)), basis=basis)
    assert whole == to_json(explanation)
    assert read_explanation(json.loads(whole)) == explanation


@given(credits(), MONEY)
def test_credits_are_read_and_written_without_loss(credit, amount):
    for explanation in (credit, without_note(credit), given_by_note(credit, abs(amount))):
        stored = to_stored(explanation)
        assert read_credit(stored) == explanation
        assert canonical_json(to_stored(read_explanation(stored))) == canonical_json(stored)


def test_what_a_credit_gives_back_comes_to_its_net_whichever_document_gives_it():
    """Of 45.00, the credit line gives 15.00 and the note 30.00."""
    april = Period(datetime(2026, 4, 16, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    unused = ExplainedPart(
        UNUSED,
        "Unused part: Fee",
        Decimal(-1),
        Decimal("90.00"),
        Decimal("-45.00"),
        Decimal("-45.00"),
        fraction=(1_296_000, 2_592_000),
        period=april,
    )
    whole = CreditExplanation(currency="EUR", parts=(unused,), net=Decimal("-45.00"))
    line = lessened(whole, GIVEN_BY_NOTE, Decimal("30.00"))
    assert to_stored(line) == {
        "version": 1,
        "kind": "credit",
        "currency": "EUR",
        "parts": [
            {
                "kind": "unused",
                "name": "Unused part: Fee",
                "quantity": "-1",
                "unitAmount": "90.00",
                "fraction": [1296000, 2592000],
                "from": "2026-04-16T00:00:00+00:00",
                "to": "2026-05-01T00:00:00+00:00",
                "amount": "-45.00",
                "total": "-45.00",
            },
            {
                "kind": "credit_note",
                "name": "Given back by credit note",
                "quantity": "1",
                "unitAmount": "30.00",
                "amount": "30.00",
                "total": "30.00",
            },
        ],
        "totals": {"net": "-15.00"},
    }
    note = to_stored(given_by_note(line, Decimal("30.00")))
    assert [(part["kind"], part["quantity"], part["total"]) for part in note["parts"]] == [
        ("unused", "1", "45.00"),
        ("credit_line", "1", "-15.00"),
    ]
    assert note["totals"] == {"net": "30.00"}
    assert without_note(line) == whole


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_an_explanation_of_another_version_is_not_read(version):
    stored = rated({"type": "unit", "amount": "1"}, "3").explain | {"version": version}
    with pytest.raises(ValueError, match=f"version {version!r}; only version 1 can be read"):
        read_explanation(stored)


def test_one_without_a_version_is_not_taken_for_the_newest():
    stored = rated({"type": "unit", "amount": "1"}, "3").explain
    with pytest.raises(ValueError, match="version None; only version 1"):
        read_explanation({name: value for name, value in stored.items() if name != "version"})


@pytest.mark.parametrize("name", ["currency", "parts", "price", "quantity", "totals"])
def test_one_that_lacks_a_field_says_which(name):
    stored = rated({"type": "unit", "amount": "1"}, "3").explain
    with pytest.raises(ValueError, match=f"lacks its '{name}'"):
        read_explanation({other: value for other, value in stored.items() if other != name})


@pytest.mark.parametrize(
    ("broken", "said"),
    [({"price": None}, "no price"), ({"kind": "credit", "credits": "no-ulid"}, "'no-ulid' is not an id")],
)
def test_one_that_makes_no_sense_is_refused(broken, said):
    stored = rated({"type": "unit", "amount": "1"}, "3").explain | broken
    with pytest.raises(ValueError, match=said):
        read_explanation(stored)


def test_a_charge_is_not_read_as_a_credit():
    with pytest.raises(ValueError, match="explanation of a charge"):
        read_credit(rated({"type": "unit", "amount": "1"}, "3").explain)
