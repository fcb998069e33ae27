"""What a charge's outcome makes of its invoice: a table of outcomes, with status, next try and notice."""

from datetime import timedelta

import pytest

from invoicing.choices import PaymentStatus
from invoicing.gateways.base import ChargeOutcome
from invoicing.payments.after_charge import Charge, Notice, after_charge, after_part, pause
from tests.support.clock import at

NOW = at("2026-03-18T12:00")
EARLIER = at("2026-03-17T12:00")
PLAN = [1, 3, 5, 7]
IN_TWO_DAYS = at("2026-03-20T12:00")  # the third day after the first failure
NOTICES = {"failure": Notice.FAILURE, "confirm": Notice.CONFIRM, "": None}


def outcome(status, code="", *, known=None):
    return ChargeOutcome(PaymentStatus(status), known, code, "Words." if code else "")


@pytest.mark.parametrize(
    ("told", "status", "next_try", "notice"),
    [
        (outcome("succeeded"), "paid", None, ""),
        (outcome("pending"), "payment_processing.pending", None, ""),
        (outcome("unknown", "no_answer"), "payment_processing.pending", None, ""),
        (outcome("failed", "card_declined"), "payment_processing.failed", IN_TWO_DAYS, "failure"),
        (outcome("failed", "canceled"), "payment_processing.failed", IN_TWO_DAYS, ""),
        (outcome("failed", "not_sent"), "payment_processing.failed", NOW + timedelta(minutes=4), ""),
        (outcome("failed", "not_authorized"), "payment_processing.failed", NOW + timedelta(minutes=4), ""),
        (outcome("failed", "amount_too_small"), "payment_processing.failed", None, ""),
        (outcome("action_required", "x", known="pi_1"), "payment_processing.action_required", IN_TWO_DAYS, "confirm"),
        (outcome("action_required", "x"), "payment_processing.action_required", None, "failure"),
    ],
)
def test_an_outcome_after_an_earlier_failure(told, status, next_try, notice):
    charge = Charge(NOW, "issued", EARLIER, PLAN, ours_in_a_row=3)
    after = after_charge(charge, told, as_of=NOW)
    assert (after.status, after.next_try, after.notice) == (status, next_try, NOTICES[notice])

    overdue = after_charge(Charge(NOW, "overdue", EARLIER, PLAN, ours_in_a_row=3), told, as_of=NOW)
    assert overdue.status == ("paid" if status == "paid" else "overdue")
    assert (overdue.note, overdue.next_try, overdue.notice) == (after.note, after.next_try, after.notice)


def test_the_plan_counts_from_this_charge_where_it_is_the_first_to_fail():
    charge = Charge(NOW, "issued", None, PLAN)
    assert after_charge(charge, outcome("failed", "card_declined"), as_of=NOW).next_try == at("2026-03-19T12:00")


def test_a_first_failure_that_is_heard_of_late_counts_from_when_the_charge_was_made():
    charge = Charge(EARLIER, "issued", None, PLAN)
    told = outcome("failed", "card_declined")
    # Made on the 17th: the first day after it is over at noon of the 18th, the third is the 20th.
    assert after_charge(charge, told, as_of=at("2026-03-18T11:00")).next_try == at("2026-03-18T12:00")
    assert after_charge(charge, told, as_of=NOW).next_try == IN_TWO_DAYS


@pytest.mark.parametrize("code", ["not_sent", "not_authorized"])
def test_what_failed_through_us_leaves_the_invoice_as_it_was(code):
    after = after_charge(Charge(NOW, "issued", None, PLAN), outcome("failed", code), as_of=NOW)
    assert (after.status, after.next_try, after.notice) == ("issued", NOW + timedelta(minutes=1), None)


@pytest.mark.parametrize(
    ("code", "first", "status"),
    [
        ("canceled", None, "issued"),
        ("canceled", EARLIER, "payment_processing.failed"),
        ("not_sent", None, "issued"),
        ("amount_too_small", None, "payment_processing.failed"),
    ],
)
def test_a_charge_that_staff_ended_for_another_is_followed_by_it_at_once(code, first, status):
    charge = Charge(NOW, "payment_processing.action_required", first, PLAN, to_cancel=True)
    after = after_charge(charge, outcome("failed", code), as_of=NOW)
    assert (after.status, after.next_try, after.notice) == (status, NOW, None)


def test_what_can_never_be_charged_says_what_helps():
    after = after_charge(Charge(NOW, "issued", None, PLAN), outcome("failed", "cannot_charge"), as_of=NOW)
    assert after.note == (
        "Words. It is not tried again by itself. Record a payment that comes in otherwise, or have the customer billed "
        "through an app that charges."
    )


@pytest.mark.parametrize("days", [[], [1]])
def test_a_plan_that_is_used_up_has_no_next_try(days):
    after = after_charge(Charge(NOW, "issued", EARLIER, days), outcome("failed", "card_declined"), as_of=NOW)
    assert (after.status, after.next_try, after.notice) == ("payment_processing.failed", None, Notice.FAILURE)


def test_the_rest_of_a_part_is_charged_at_once_unless_money_was_given_back():
    assert (after_part(given_back=False, as_of=NOW).status, after_part(given_back=False, as_of=NOW).next_try) == (
        "issued",
        NOW,
    )
    assert after_part(given_back=True, as_of=NOW).next_try is None


def test_what_failed_through_us_is_tried_less_and_less_often():
    assert [pause(times) // timedelta(minutes=1) for times in (1, 2, 3, 9, 10, 100)] == [1, 2, 4, 256, 360, 360]
