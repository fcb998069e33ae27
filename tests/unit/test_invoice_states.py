"""The states of an invoice: which may follow which, every pair of them, and what nothing writes yet."""

from itertools import product

import pytest

from invoicing.choices import (
    DRAFT_STATUSES,
    FAILED_STATUSES,
    NO_DOCUMENTS,
    OPEN_STATUSES,
    SETTLEABLE_STATUSES,
    STOPPED_STATUSES,
    UNISSUED_STATUSES,
    InvoiceStatus,
)
from invoicing.errors import CannotBill, ForbiddenMove, WrongInvoiceState
from invoicing.lifecycle.draft_steps import TO_COLLECT, step_of_failure
from invoicing.lifecycle.states import (
    BEGINNINGS,
    MOVES,
    NOT_WRITTEN,
    check_beginnings,
    check_move,
    check_moves,
    may_follow,
    move,
)
from invoicing.models import Invoice
from invoicing.payments.mark_overdue import BECOME_OVERDUE

# The whole table by hand: what may follow what, the state itself apart.
COLLECTED = "draft.waiting_auto_approval draft.manual_approval_needed draft.collecting_failed deleted"
FOLLOWS = {
    "gathering": "",
    "draft.created": COLLECTED,
    "draft.waiting_for_collection": COLLECTED,
    "draft.collecting": COLLECTED,
    "draft.collecting_failed": "draft.waiting_auto_approval draft.manual_approval_needed deleted",
    "draft.validating": "deleted",
    "draft.invalid": "issued paid deleted issuing.failed",
    "draft.syncing": "deleted",
    "draft.sync_failed": "deleted",
    "draft.waiting_auto_approval": "issued paid deleted draft.invalid issuing.failed",
    "draft.manual_approval_needed": "issued paid deleted",
    "issuing.syncing": "",
    "issuing.failed": "issued paid deleted draft.invalid",
    "issued": "payment_processing.pending payment_processing.action_required payment_processing.failed overdue paid "
    "uncollectible voided",
    "payment_processing.pending": "issued payment_processing.action_required payment_processing.failed paid "
    "uncollectible",
    "payment_processing.action_required": "issued payment_processing.pending payment_processing.failed overdue paid "
    "uncollectible voided",
    "payment_processing.failed": "issued payment_processing.pending payment_processing.action_required overdue paid "
    "uncollectible voided",
    "overdue": "paid uncollectible voided",
    "paid": "issued overdue",
    "uncollectible": "paid",
    "voided": "",
    "deleted": "",
}
PAIRS = list(product(InvoiceStatus.values, repeat=2))
ALLOWED = [pair for pair in PAIRS if pair[0] == pair[1] or pair[1] in FOLLOWS[pair[0]].split()]
FORBIDDEN = [pair for pair in PAIRS if pair not in ALLOWED]


def test_the_table_names_every_state_and_no_other():
    assert set(FOLLOWS) == set(MOVES) == set(InvoiceStatus.values)
    assert {after for afters in MOVES.values() for after in afters} <= set(InvoiceStatus.values)
    assert (len(ALLOWED), len(FORBIDDEN)) == (88, 396)


@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_a_move_of_the_table_is_made(before, after):
    assert may_follow(before, after)
    invoice = Invoice(status=before, status_note="kept")
    move(invoice, after)
    assert (invoice.status, invoice.status_note) == (after, "kept")
    move(invoice, after, note="said")
    assert invoice.status_note == "said"


@pytest.mark.parametrize(("before", "after"), FORBIDDEN)
def test_another_move_is_refused_and_changes_nothing(before, after):
    assert not may_follow(before, after)
    invoice = Invoice(status=before, status_note="kept")
    with pytest.raises(ForbiddenMove):
        move(invoice, after, note="said")
    assert (invoice.status, invoice.status_note) == (before, "kept")


def test_the_refusal_says_what_was_left_untouched():
    with pytest.raises(WrongInvoiceState) as refused:
        check_move(InvoiceStatus.PAID, InvoiceStatus.DRAFT_INVALID)
    assert refused.value.message == "An invoice that is “Paid” can't become “Draft: invalid”. Nothing was changed."
    assert (refused.value.code, refused.value.context) == ("forbidden_move", {"from": "paid", "to": "draft.invalid"})


def test_of_many_moves_one_that_is_lacking_refuses_all():
    check_moves([])
    check_moves([("issued", "overdue"), ("payment_processing.failed", "overdue"), ("issued", "overdue")])
    with pytest.raises(ForbiddenMove):
        check_moves([("issued", "overdue"), ("payment_processing.pending", "overdue")])


def test_an_invoice_begins_as_the_gathering_one_a_draft_or_issued():
    assert {
        "gathering",
        "draft.waiting_for_collection",
        "draft.waiting_auto_approval",
        "draft.manual_approval_needed",
        "issued",
        "paid",
    } == BEGINNINGS
    check_beginnings(BEGINNINGS)
    for status in set(InvoiceStatus.values) - BEGINNINGS:
        with pytest.raises(ForbiddenMove, match="A new invoice can't become"):
            check_beginnings([*BEGINNINGS, status])


def test_these_states_nothing_writes_yet():
    """Whoever makes a move to one of them, or a beginning, takes it off this list."""
    assert {
        "draft.created",
        "draft.collecting",
        "draft.validating",
        "draft.syncing",
        "draft.sync_failed",
        "issuing.syncing",
    } == NOT_WRITTEN
    led_to = {after for afters in MOVES.values() for after in afters}
    assert set(InvoiceStatus.values) - led_to - BEGINNINGS == NOT_WRITTEN


def test_every_draft_can_be_deleted_and_nothing_that_is_issued():
    may_go = {status for status in InvoiceStatus.values if "deleted" in MOVES[status]}
    # What could not be issued has no number either.
    assert may_go == {status.value for status in DRAFT_STATUSES} | {"issuing.failed"}


def test_what_is_paid_or_being_paid_is_never_voided():
    assert {status for status in InvoiceStatus.values if "voided" in MOVES[status]} == {
        "issued",
        "overdue",
        "payment_processing.action_required",
        "payment_processing.failed",
    }


def test_a_draft_stops_in_the_failed_state_of_its_own_step():
    wrong = CannotBill("The draft comes to too much.", code="beyond_limit")
    unexpected = CannotBill("Something unexpected went wrong.", code="internal_error")
    assert {step_of_failure(status, wrong) for status in TO_COLLECT} == {"draft.collecting_failed"}
    assert {step_of_failure(status, unexpected) for status in TO_COLLECT} == {"draft.collecting_failed"}
    # What it says is not right, or its issue itself went wrong.
    assert step_of_failure("draft.waiting_auto_approval", wrong) == "draft.invalid"
    assert step_of_failure("draft.waiting_auto_approval", unexpected) == "issuing.failed"
    assert step_of_failure("draft.waiting_auto_approval", WrongInvoiceState("It moved.")) == "issuing.failed"
    assert not may_follow("draft.manual_approval_needed", "draft.invalid")
    assert not may_follow("draft.manual_approval_needed", "issuing.failed")
    assert set(STOPPED_STATUSES) == {
        "draft.collecting_failed",
        "draft.invalid",
        "draft.sync_failed",
        "issuing.failed",
    }


def test_the_groups_of_states_that_other_decisions_go_by():
    drafts = {status for status in InvoiceStatus.values if status.startswith("draft.")}
    assert set(UNISSUED_STATUSES) == drafts | {"issuing.syncing", "issuing.failed"}
    assert set(FAILED_STATUSES) == {
        "draft.collecting_failed",
        "draft.invalid",
        "draft.sync_failed",
        "issuing.failed",
        "payment_processing.failed",
    }
    processing = {"payment_processing.pending", "payment_processing.action_required", "payment_processing.failed"}
    assert set(OPEN_STATUSES) == processing | {"issued", "overdue"}
    assert set(NO_DOCUMENTS) == {"gathering", "deleted"}
    assert set(SETTLEABLE_STATUSES) == set(OPEN_STATUSES) | {"uncollectible"}
    assert set(BECOME_OVERDUE) == set(OPEN_STATUSES) - {"overdue", "payment_processing.pending"}
