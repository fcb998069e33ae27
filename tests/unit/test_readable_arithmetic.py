"""The sentences of an explanation are arithmetic that holds: checked as a reader would, from the words alone."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import exponent
from invoicing.rating import rate, read_explanation, readable
from tests.support import strategies as made

NUMBER = r"(-?[0-9.]+)"
PRODUCT = re.compile(rf": {NUMBER} × {NUMBER}(?: × ([0-9.]+)/([0-9.]+) [a-z]+)? = {NUMBER}(.*)$")
TAKEN = re.compile(rf", − {NUMBER} \((?:([0-9.]+) % discount)?")


def rounded(exact, places):
    """Half away from zero, by pencil."""
    scaled = abs(exact) * 10**places
    whole = scaled.numerator // scaled.denominator
    if (scaled - whole) * 2 >= 1:
        whole += 1
    return Decimal(whole if exact >= 0 else -whole).scaleb(-places)


def check(sentences, places):
    """Each product, discount and sum as it is written; what they come to."""
    net = Decimal(0)
    for sentence in sentences:
        if sentence.startswith(("Minimum spend of the period", "Coupon", "Packages of")):
            continue
        found = PRODUCT.search(sentence)
        if found is None:
            continue
        quantity, price, part, whole, amount, rest = found.groups()
        exact = Fraction(quantity) * Fraction(price) * Fraction(part or 1) / Fraction(whole or 1)
        assert rounded(exact, places) == Decimal(amount), sentence
        total = Decimal(amount)
        for taken, percentage in TAKEN.findall(rest):
            if percentage:
                assert rounded(Fraction(amount) * Fraction(percentage) / 100, places) == Decimal(taken), sentence
            total -= Decimal(taken)
        if rest:
            assert rest.endswith(f" = {total}"), sentence
        net += total
    return net


@given(st.one_of(made.usage_lines(), made.plain_lines(), made.flat_lines()))
def test_every_sentence_is_right_and_together_they_come_to_the_net(line):
    line_rated = rate(line)
    sentences = readable(read_explanation(line_rated.explain))
    assert check(sentences, exponent(line.currency)) == line_rated.net
    said = sentences[-1].removesuffix(f" {line.currency}").rpartition("= ")[2].removeprefix("Net: ")
    assert Decimal(said) == line_rated.net


def test_the_checker_itself_sees_what_is_wrong():
    right = "Flat fee: 1 × 9.00 × 31/91 days = 3.07, − 0.31 (10 % discount) = 2.76"
    assert check([right], 2) == Decimal("2.76")
    for wrong in (right.replace("3.07", "3.06"), right.replace("0.31", "0.30"), right.replace("2.76", "2.75")):
        with pytest.raises(AssertionError, match="Flat fee"):
            check([wrong], 2)
