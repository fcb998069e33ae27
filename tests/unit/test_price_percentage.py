"""The percentage price: tables of literal figures."""

import pytest

from tests.support.rating import net, rated


def percentage(rate, fee=None, **rest):
    return {"type": "percentage", "percentage": rate, **({} if fee is None else {"fixedFeePerEvent": fee}), **rest}


@pytest.mark.parametrize(
    ("rate", "fee", "quantity", "events", "currency", "expected"),
    [
        ("2.9", None, "0", 0, "USD", "0.00"),
        ("2.9", None, "100", 0, "USD", "2.90"),
        ("2.9", None, "100", 1, "USD", "2.90"),
        ("2.9", "0.30", "100", 1, "USD", "3.20"),
        ("2.9", "0.30", "100", 3, "USD", "3.80"),
        ("2.9", "0.30", "0", 2, "USD", "0.60"),
        ("2.9", "0.30", "0", 0, "USD", "0.00"),
        ("2.9", "0", "100", 5, "USD", "2.90"),
        (2.9, None, "100", 0, "USD", "2.90"),
        (3, None, "100", 0, "USD", "3.00"),
        ("0", "0.30", "100", 1, "USD", "0.30"),
        ("100", None, "12.34", 0, "USD", "12.34"),
        ("150", None, "10", 0, "USD", "15.00"),
        ("0.5", None, "1", 0, "USD", "0.01"),
        ("0.5", None, "0.99", 0, "USD", "0.00"),
        ("1.45", None, "10", 0, "USD", "0.15"),
        ("0.000001", None, "1000000", 0, "USD", "0.01"),
        ("0.000001", None, "499999", 0, "USD", "0.00"),
        ("2.9", None, "1000000000000000", 0, "USD", "29000000000000.00"),
        # Each part is rounded by itself: 0.025 -> 0.03 and 3 x 0.005 = 0.015 -> 0.02.
        ("2.5", "0.005", "1", 3, "USD", "0.05"),
        ("1", None, "50", 0, "JPY", "1"),
        ("1", None, "49", 0, "JPY", "0"),
        ("3.25", "15", "1000", 2, "JPY", "63"),
        ("3.25", None, "1.000", 0, "KWD", "0.033"),
        ("3.25", "0.0005", "1.000", 1, "KWD", "0.034"),
        ("1.5", "0.10", "2500.50", 40, "EUR", "41.51"),
    ],
)
def test_a_share_of_the_amount_and_a_fee_per_event_are_charged(rate, fee, quantity, events, currency, expected):
    assert net(percentage(rate, fee), quantity, currency, event_count=events) == expected


def test_free_units_lower_the_amount_and_leave_the_fee():
    assert net(percentage("10", "1"), "150", free="100", event_count=2) == "7.00"


def test_the_detailed_lines_show_rate_and_fee():
    share, fee = rated(percentage("2.9", "0.30"), "100", event_count=3).detailed
    assert (share.name, str(share.unit_amount), str(share.total)) == ("2.9 % of the amount", "0.029", "2.90")
    assert (fee.name, str(fee.quantity), str(fee.total)) == ("Fee per event", "3", "0.90")
