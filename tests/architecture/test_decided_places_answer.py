"""What where-is-it-decided names does answer its question: asked with literal figures, or known by what it is given.

That a name exists says little: the next function in the same file exists, too.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import astuple
from decimal import Decimal
from typing import Any

import pytest

from core.periods import CADENCES, Period
from subscriptions.pricing import Usage, parse_price
from tests.architecture.test_where_is_it_decided import rows
from tests.support.clock import at

APRIL = Period(at("2026-04-01"), at("2026-05-01"))
LATE_APRIL = Period(at("2026-04-16"), at("2026-05-01"))
CENT = Decimal("0.01")


def takes(*names: str) -> Callable[[Any], bool]:
    """Known by its parameters."""
    return lambda place: tuple(inspect.signature(place).parameters) == names


def price_of(price: Any, wire: dict[str, Any], quantity: int, charged: str) -> bool:
    parsed = parse_price(wire)
    assert isinstance(parsed, price)
    charges = parsed.charges(Usage(Decimal(quantity)))
    return sum(charge.quantity * charge.unit_amount for charge in charges) == Decimal(charged)


GRADUATED = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {"upToAmount": "5", "unitPrice": {"type": "unit", "amount": "2"}},
        {"unitPrice": {"type": "unit", "amount": "1"}},
    ],
}
PACKAGES = {"type": "package", "amount": "3", "quantityPerPackage": "25"}

ASKED: dict[str, Callable[[Any], bool]] = {
    # Half a cent is rounded away from zero; a third of a euro each comes to the whole.
    "How is an amount rounded?": lambda place: place(Decimal("-0.005"), "EUR") == -CENT,
    "How is an amount split so that its parts add up?": lambda place: (
        place(Decimal("1.00"), [Decimal(1)] * 3, "EUR") == (Decimal("0.34"), Decimal("0.33"), Decimal("0.33"))
    ),
    "What does a graduated tier cost?": lambda place: price_of(place, GRADUATED, 7, "12"),
    "How many packages have been started?": lambda place: price_of(place, PACKAGES, 26, "6"),
    "In which order do discounts, coupon, maximum and minimum apply?": takes("line"),
    "How is the coupon applied to a part of a period?": takes("sub", "item", "revision", "start", "end"),
    "How is a line's explanation stored and read?": takes("stored"),
    "Which tax rate applies?": takes("rates", "country", "region", "category", "tax_point"),
    "Does a change take so much tax off somebody that two decide?": takes(
        "before", "after", "supplies", "now", "terms_before"
    ),
    "What did single persons take off a customer's tax within a year?": takes("changes"),
    "Where does the n-th period begin?": lambda place: (
        place(at("2026-01-31"), "UTC", CADENCES["P1M"], 1) == at("2026-02-28")
    ),
    "What is proration?": lambda place: place(LATE_APRIL, APRIL) == (15 * 86400, 30 * 86400),
    "Where does a period by the calendar begin?": lambda place: (
        place(at("2026-04-17T10:00"), "UTC", [CADENCES["P1M"]]) == at("2026-04-01")
    ),
    "When is an item active?": takes("sub", "item"),
    "What ought to be billed, and when?": takes("sub", "since", "as_of", "settled"),
    "Where is a running period of usage cut?": takes("item", "spans", "counted", "period"),
    "What is left of grants once usage is taken from them?": takes("timeline", "state", "parts", "usages"),
    "When does a usage period begin and end?": takes("timeline", "moment"),
    "Which setting wins: contract, own, pin or default?": lambda place: (
        [layer.__name__ for layer in place] == ["_own", "_profile"]
    ),
    "May a customer be deleted?": takes("customer"),
    "Which state of a profile migration may follow which?": lambda place: place["done"] == {"running"},
    "Which status of an invoice may follow which?": lambda place: place["paid"] == {"issued", "overdue"},
    "May one verb follow another on a subscription?": lambda place: (
        place["delete"].statuses == {"scheduled"} and place["cancel"].while_paused
    ),
    "What is a subscription's status at a time?": takes("subscription", "moment"),
    "What is the status of a plan's or an add-on's version?": takes("version", "moment"),
    "From when does a change count?": takes("timing", "subscription", "now"),
    "May a change be backdated?": takes("subscription", "at", "item_keys"),
    "What does a change come to, in its preview and when it is made?": takes(
        "subscription", "successor", "close", "earlier"
    ),
    "When is an invoice due?": lambda place: place(at("2026-04-17"), "P14D") == at("2026-05-01"),
    "What is the total of a gathering invoice?": takes("invoices"),
    "When is a draft due for its next step?": takes("invoice"),
    "What can be done to an invoice before it is issued?": takes("invoice", "as_of"),
    "When is a failed charge tried again?": lambda place: (
        place([1, 3], first_failed_at=at("2026-04-01"), as_of=at("2026-04-02")) == at("2026-04-04")
    ),
    "Since when is a customer in dunning?": takes("invoice_ids"),
    # Of 12.00, 10.00 are due, 1.50 had been given up, the rest goes on the balance.
    "How is money that arrives divided?": lambda place: (
        astuple(place(Decimal("12.00"), due=Decimal("10.00"), written_off=Decimal("1.50")))
        == (Decimal("10.00"), Decimal("1.50"), Decimal("0.50"))
    ),
    "How much can be refunded?": takes("invoice"),
}


@pytest.mark.parametrize("question", ASKED)
def test_the_place_answers_its_question(question):
    [row] = [row for row in rows() if row["question"] == question]
    module = importlib.import_module(row["file"].removesuffix(".py").replace("/", "."))

    assert ASKED[question](getattr(module, row["name"])), f"{row['name']} does not answer: {question}"
