"""When an invoice is due, when a draft takes its steps, and where it stands once its quantities are fixed."""

import pytest

from core.errors import InvalidInput
from invoicing.lifecycle.draft_steps import collection_at, draft_until, status_after_collection
from invoicing.lifecycle.due_date import due_at
from tests.support.clock import at


@pytest.mark.parametrize(
    ("issued", "due_after", "due"),
    [
        ("2026-03-17T09:30", "P30D", "2026-04-16T09:30"),
        ("2026-03-17T09:30", "PT0S", "2026-03-17T09:30"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2026-12-31T23:59", "P3D", "2027-01-03T23:59"),
        ("2026-03-17", "P45D", "2026-05-01"),
    ],
)
def test_an_invoice_is_due_so_long_after_its_issue(issued, due_after, due):
    assert due_at(at(issued), due_after) == at(due)


def test_what_is_no_duration_gives_no_due_date():
    with pytest.raises(InvalidInput):
        due_at(at("2026-03-17"), "30")


@pytest.mark.parametrize(
    ("ends", "interval", "collected"),
    [
        ([], "PT1H", "2026-04-17T12:00"),  # nothing is metered: at once
        (["2026-04-17T11:30"], "PT1H", "2026-04-17T12:30"),
        (["2026-04-01", "2026-04-17T11:30"], "PT1H", "2026-04-17T12:30"),  # the last one decides
        (["2026-04-01"], "P1D", "2026-04-17T12:00"),  # long since: not in the past
        (["2026-04-17T12:00"], "PT0S", "2026-04-17T12:00"),
    ],
)
def test_a_draft_is_collected_once_its_last_metered_period_is(ends, interval, collected):
    found = collection_at([at(end) for end in ends], interval, made_at=at("2026-04-17T12:00"))
    assert found == at(collected)


def test_a_draft_can_be_looked_at_for_its_draft_period_from_its_collection():
    assert draft_until(at("2026-04-17T12:30"), "P1D") == at("2026-04-18T12:30")
    assert draft_until(at("2026-04-17T12:30"), "PT0S") == at("2026-04-17T12:30")


@pytest.mark.parametrize(
    ("auto_advance", "until", "status"),
    [
        (True, "2026-04-17T12:00", "issued"),
        (True, "2026-04-17T12:01", "draft.waiting_auto_approval"),
        (False, "2026-04-17T12:00", "draft.manual_approval_needed"),
        (False, "2026-05-17", "draft.manual_approval_needed"),
    ],
)
def test_where_a_collected_draft_stands(auto_advance, until, status):
    assert status_after_collection(auto_advance, at(until), at("2026-04-17T12:00")) == status
