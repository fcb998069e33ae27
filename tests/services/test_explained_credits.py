"""What comes back explains itself, on credit lines and on credit notes: each figure can be checked by hand."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.models import CreditNoteLine, InvoiceLine
from invoicing.rating import read_explanation, readable, recompute, replay
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db

SECOND_HALF = "(2026-04-16 00:00 UTC to 2026-05-01 00:00 UTC)"


def credits():
    """How each credit line reads, in order; each comes to its line by its figures alone."""
    lines = InvoiceLine.objects.filter(kind="credit").order_by("created_at", "position", "id")
    for line in lines:
        assert recompute(read_explanation(line.explain)) == line.amount
        assert replay(read_explanation(line.explain["sameTime"])).explain == line.explain["sameTime"]
    return [readable(read_explanation(line.explain)) for line in lines]


def noted():
    """How each line of a credit note reads, in order."""
    lines = CreditNoteLine.objects.order_by("credit_note__sequence", "position")
    for line in lines:
        assert recompute(read_explanation(line.explain)) == line.amount
    return [readable(read_explanation(line.explain)) for line in lines]


def test_what_comes_back_partly_by_line_and_partly_by_note_is_explained_on_both():
    change(subscribe(flat_plan("pro", "90.00")), flat_plan("basic", "30.00"))
    charge = "A charge for the same time comes to 45.00 (Flat fee: 1 × 90.00 × 15/30 days = 45.00)"
    assert credits() == [
        [
            f"Unused part: Pro fee {SECOND_HALF}: -1 × 90.00 × 15/30 days = -45.00",
            charge,
            "Given back by credit note: 1 × 30.00 = 30.00",
            "Net: -15.00 EUR",
        ]
    ]
    assert noted() == [
        [
            f"Unused part: Pro fee {SECOND_HALF}: 1 × 90.00 × 15/30 days = 45.00",
            charge,
            "Given back by a line of an invoice: 1 × -15.00 = -15.00",
            "Net: 30.00 EUR",
        ]
    ]


def test_a_cancelation_whose_rest_comes_back_by_note_alone_is_explained_there():
    """29.90 less 10 %: 26.91. Half a month is charged 14.95 less 1.50."""
    card = flat_card(name="Basic fee", price=fee("29.90"), discounts={"percentage": {"percentage": 10}})
    subscription = subscribe(flat_plan("basic", None, cards=(card,)))
    with clock.frozen_at(at("2026-04-16")):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert noted() == [
        [
            f"Unused part: Basic fee {SECOND_HALF}: 1 × 26.91 × 15/30 days = 13.46",
            "A charge for the same time comes to 13.45 (Flat fee: 1 × 29.90 × 15/30 days = 14.95, "
            "− 1.50 (10 % discount) = 13.45)",
            "Difference to a charge for the same time: 1 × -0.01 = -0.01",
            "Net: 13.45 EUR",
        ]
    ]
    assert_books_are_clean("2026-04-16T00:30")


def test_each_line_of_seats_that_were_added_explains_its_part():
    """0.35, 0.32 and 0.27 were billed, from the 1st, the 4th and the 8th; three seats for half a month are 0.53."""
    plan = flat_plan("basic", None, cards=(flat_card(key="seats", name="Seats", price=fee("0.35")),))
    subscription = subscribe(plan, quantities={"seats": Decimal(1)})
    for on, seats in (("2026-04-04", 2), ("2026-04-08", 3)):
        update = ItemUpdate(product_id="seats", quantity=Decimal(seats), align=True)
        with clock.frozen_at(at(on)):
            update_item(subscription_id=subscription.id, running_number=1, update=update)
    change(subscription, flat_plan("pro", "9.00"))
    charge = "A charge for the same time comes to 0.53 (Flat fee: 3 × 0.35 × 15/30 days = 0.53)"
    assert credits() == [
        [f"Unused part: Seats {SECOND_HALF}: -1 × 0.35 × 15/30 days = -0.18", charge, "Net: -0.18 EUR"],
        [f"Unused part: Seats {SECOND_HALF}: -1 × 0.32 × 15/27 days = -0.18", charge, "Net: -0.18 EUR"],
        [
            f"Unused part: Seats {SECOND_HALF}: -1 × 0.27 × 15/23 days = -0.18",
            charge,
            "Difference to a charge for the same time: 1 × 0.01 = 0.01",
            "Net: -0.17 EUR",
        ],
    ]


def test_what_a_draft_was_to_give_back_is_explained_on_the_note_that_gives_it_instead():
    subscription = subscribe(flat_plan("basic", "30.00"))
    make_default_profile(auto_advance=False)
    successor = change(subscription, flat_plan("pro", "90.00")).successor
    change(successor, flat_plan("mid", "60.00"), "2026-04-16T00:00:01")
    assert noted() == [
        [
            f"Unused part: Basic fee {SECOND_HALF}: 1 × 30.00 × 15/30 days = 15.00",
            "A charge for the same time comes to 15.00 (Flat fee: 1 × 30.00 × 15/30 days = 15.00)",
            "Net: 15.00 EUR",
        ]
    ]
