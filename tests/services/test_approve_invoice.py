"""Approving drafts: one rule for staff and programs, that nobody approves what their own run made."""

import pytest

from core.approvals.errors import SecondPersonNeeded
from core.audit.actors import Actor, acting_as
from invoicing.drafts import advance_invoice as advance_invoice_module
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.errors import CannotBill
from tests.support.closing import make_draft

pytestmark = pytest.mark.django_db

ADA, BOB = Actor("user", "1", "Ada"), Actor("user", "2", "Bob")


def test_who_started_the_run_approves_none_of_its_drafts():
    draft = make_draft(by=ADA)
    with acting_as(ADA), pytest.raises(SecondPersonNeeded, match="somebody else must approve it"):
        approve_invoice(invoice=draft)
    draft.refresh_from_db()
    assert (draft.status, draft.number) == ("draft.manual_approval_needed", None)
    with acting_as(BOB):
        assert approve_invoice(invoice=draft).number == "INV-000001"


def test_nor_by_an_api_key_of_their_own():
    draft = make_draft(by=ADA)
    with acting_as(Actor("api_key", "k1", "API key Ada's", made_by=ADA.id)), pytest.raises(SecondPersonNeeded):
        approve_invoice(invoice=draft)
    with acting_as(Actor("api_key", "k2", "API key Bob's", made_by=BOB.id)):
        assert approve_invoice(invoice=draft).number == "INV-000001"


def test_nor_by_another_key_that_nobody_is_known_to_have_made():
    draft = make_draft(by=Actor("api_key", "k1", "API key One"))
    with acting_as(Actor("api_key", "k2", "API key Two")), pytest.raises(SecondPersonNeeded):
        approve_invoice(invoice=draft)
    with acting_as(ADA):
        assert approve_invoice(invoice=draft).number == "INV-000001"


@pytest.mark.parametrize("approver", [ADA, Actor("api_key", "k1", "API key One")])
def test_what_the_schedule_made_is_approved_by_anybody(approver):
    draft = make_draft()
    with acting_as(approver):
        assert approve_invoice(invoice=draft).number == "INV-000001"


def test_a_failure_that_comes_late_puts_no_draft_aside_that_waits_for_a_person_meanwhile():
    """Another worker has collected it since: put aside, it would be issued by trying the step again."""
    draft = make_draft()
    advance_invoice_module.set_aside(draft.pk, CannotBill("The usage could not be read."))
    draft.refresh_from_db()
    assert (draft.status, draft.status_note) == ("draft.manual_approval_needed", "")
