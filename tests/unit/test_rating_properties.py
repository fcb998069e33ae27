"""What holds for every line, whatever its price: shown on examples that Hypothesis makes up."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.jsontext import canonical_json
from core.money import exponent
from invoicing.rating import FlatComponent, RatingInput, rate, read_explanation, recompute, replay
from invoicing.rating.chain import run_chain
from subscriptions.pricing import Discounts, parse_price
from tests.support import strategies as made

ANY_LINE = st.one_of(made.usage_lines(), made.plain_lines(), made.flat_lines())


@given(made.plain_lines())
def test_the_prepared_way_and_the_chain_agree_to_the_byte(line):
    assert rate(line) == run_chain(line)


@given(ANY_LINE)
def test_parts_add_up_to_totals(line):
    rated = rate(line)
    regular = [part for part in rated.detailed if part.category == "regular"]
    assert rated.amount == sum(part.amount for part in regular)
    assert rated.charges_total == sum(part.amount for part in rated.detailed if part.category == "commitment")
    assert rated.discounts_total == sum(part.discount_total for part in rated.detailed)
    assert rated.net == sum(part.total for part in rated.detailed)
    assert rated.net == rated.amount + rated.charges_total - rated.discounts_total
    for part in rated.detailed:
        assert part.total == part.amount - sum(discount.amount for discount in part.discounts)


@given(ANY_LINE)
def test_every_amount_has_the_places_of_its_currency(line):
    rated = rate(line)
    amounts = [rated.amount, rated.charges_total, rated.discounts_total, rated.net, rated.coupon_used]
    amounts += [figure for part in rated.detailed for figure in (part.amount, part.discount_total, part.total)]
    amounts += [discount.amount for part in rated.detailed for discount in part.discounts]
    assert {amount.as_tuple().exponent for amount in amounts} == {-exponent(line.currency)}


@given(ANY_LINE)
def test_a_line_can_be_computed_again_from_its_explanation_alone(line):
    rated = rate(line)
    assert recompute(read_explanation(rated.explain)) == rated.net
    again = replay(read_explanation(rated.explain))
    assert again.explain == rated.explain
    assert again.net == rated.net
    assert again.detailed == rated.detailed


@given(ANY_LINE)
def test_an_explanation_is_canonical_text(line):
    rated = rate(line)
    assert canonical_json(rated.explain) == rated.explanation


@given(made.usage_lines())
def test_no_usage_line_is_ever_below_zero(line):
    rated = rate(line)
    assert rated.net >= 0
    assert all(part.total >= 0 for part in rated.detailed)


@given(made.usage_lines())
def test_a_line_that_closes_a_period_keeps_to_minimum_and_maximum(line):
    line = line._replace(is_last_split=True, fraction=(1, 1), coupon=None)
    spent = rate(line).net + line.previously_billed_net
    half = Decimal("0.5").scaleb(-exponent(line.currency))
    if line.price.minimum is not None:
        assert spent >= line.price.minimum - half
    if line.price.maximum is not None and line.previously_billed_net <= line.price.maximum:
        assert spent <= line.price.maximum + half


@given(made.usage_lines(made.MONOTONIC), made.QUANTITIES, st.integers(0, 100))
def test_more_usage_never_costs_less(line, more, events):
    """Also after discounts, coupons, minimum and maximum. Not by volume tiers: there a larger total can cost less."""
    some = rate(line)
    larger = rate(line._replace(quantity=line.quantity + more, event_count=line.event_count + events))
    assert some.amount <= larger.amount
    assert some.net <= larger.net


@st.composite
def split_periods(draw, currency=made.CURRENCIES):
    price = parse_price(draw(made.with_commitments(made.SPLITTABLE)))
    quantities = draw(st.lists(made.QUANTITIES, min_size=1, max_size=5))
    return price, quantities, draw(made.DISCOUNTS), draw(currency)


def rate_splits(price, quantities, discounts, currency):
    lines, earlier, billed = [], Decimal(0), Decimal(0)
    for number, quantity in enumerate(quantities, 1):
        line = rate(
            RatingInput(
                price,
                quantity,
                currency,
                discounts,
                pre_quantity=earlier,
                previously_billed_net=billed,
                is_first_split=number == 1,
                is_last_split=number == len(quantities),
            )
        )
        lines.append(line)
        earlier += quantity
        billed += line.net
    return lines


@given(split_periods())
def test_split_quantities_add_up_to_the_whole_exactly(period):
    price, quantities, discounts, currency = period
    lines = rate_splits(price, quantities, discounts, currency)
    whole = rate(RatingInput(price, sum(quantities), currency, discounts))
    assert sum(line.quantity for line in lines) == whole.quantity
    assert sum(line.free_quantity for line in lines) == whole.free_quantity


@given(split_periods())
def test_split_money_adds_up_to_the_whole_within_half_a_minor_unit_for_each_rounded_part(period):
    price, quantities, discounts, currency = period
    lines = rate_splits(price, quantities, discounts, currency)
    whole = rate(RatingInput(price, sum(quantities), currency, discounts))
    half = Decimal("0.5").scaleb(-exponent(currency))
    # Each detailed line is rounded once, and so is its percentage discount; commitments once for a line.
    rounded = sum(2 * len(line.detailed) + 2 for line in [*lines, whole])
    assert abs(sum(line.net for line in lines) - whole.net) <= half * rounded


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=4),
    st.lists(st.integers(0, 200), min_size=1, max_size=5),
    st.integers(0, 100),
)
def test_split_money_is_exact_where_rates_are_whole_minor_units(widths, quantities, free):
    tiers, upper = [], 0
    for index, (width, flat, unit) in enumerate(widths):
        upper += width
        last = index == len(widths) - 1
        tiers.append((None if last else str(upper), f"{flat}.00", f"{unit}.00"))
    price = parse_price(made.tiered("graduated", *tiers))
    discounts = Discounts(usage=Decimal(free) or None)
    quantities = [Decimal(quantity) for quantity in quantities]
    lines = rate_splits(price, quantities, discounts, "USD")
    assert sum(line.net for line in lines) == rate(RatingInput(price, sum(quantities), "USD", discounts)).net


@given(made.flat_lines().filter(lambda line: not line.components), st.integers(1, 1000), st.integers(0, 1000))
def test_a_fee_cut_in_two_comes_to_the_whole_within_a_minor_unit(line, days, at):
    at = min(at, days)
    whole, first, second = (
        rate(line._replace(fraction=(part, days), coupon=None, discounts=Discounts())).net
        for part in (days, at, days - at)
    )
    assert abs(first + second - whole) <= Decimal(1).scaleb(-exponent(line.currency))


@given(made.AMOUNTS, made.CURRENCIES, made.decimals(1000, 2), made.FRACTIONS)
def test_a_change_of_quantity_there_and_back_in_one_second_costs_nothing(amount, currency, seats, left):
    price = parse_price({"type": "flat", "amount": made.text(amount)})
    base = FlatComponent(Decimal(5), 1, 1)
    there_and_back = (base, FlatComponent(seats, *left), FlatComponent(-seats, *left))
    line = RatingInput(price, Decimal(5), currency, components=(base,))
    assert rate(line._replace(components=there_and_back)).net == rate(line).net
