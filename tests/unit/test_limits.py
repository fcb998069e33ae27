"""The safety bound of amounts: what holds by itself, and what an installation says."""

from decimal import Decimal

import pytest

from core.limits import default_limit, read_limits


@pytest.mark.parametrize(
    ("currency", "limit"),
    [("EUR", "1000000000"), ("USD", "1000000000"), ("KWD", "1000000000"), ("JPY", "1000000000000")],
)
def test_the_limit_of_a_currency_goes_by_what_its_unit_is_worth(currency, limit):
    assert default_limit(currency) == Decimal(limit)


def test_an_installation_says_its_own():
    assert read_limits("") == {}
    assert read_limits(" EUR=50000000.50, JPY = 9000000000 ,") == {
        "EUR": Decimal("50000000.50"),
        "JPY": Decimal("9000000000"),
    }


@pytest.mark.parametrize(
    "text", ["EUR", "EUR=", "EUR=1e9", "EUR=0", "EUR=-5", "JPY=0.5", "XXX=5", "EUR=1,EUR=2", "EUR=1" + "0" * 18]
)
def test_a_limit_that_is_none_stops_the_start(text):
    with pytest.raises(ValueError, match=r"EUR|JPY|XXX"):
        read_limits(text)
