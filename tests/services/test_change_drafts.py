"""Changes while invoices are still drafts: rated again in place, or refused with the draft to issue first."""

import pytest

from invoicing.models import CreditNote, Invoice
from tests.support.books import assert_books_are_clean
from tests.support.catalog import flat_plan
from tests.support.customers import make_default_profile
from tests.support.invoices import lines, money, notes
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def drafts():
    rows = Invoice.objects.filter(status__startswith="draft").order_by("created_at", "id")
    return [money(draft.total) for draft in rows]


def test_a_fee_on_a_draft_is_cut_there_and_nothing_has_to_come_back():
    make_default_profile(auto_advance=False)
    subscription = subscribe(flat_plan("basic", "30.00"))
    assert drafts() == ["30.00"]
    result = change(subscription, flat_plan("pro", "90.00"))
    assert drafts() == ["15.00", "45.00"]
    assert lines(result.invoice_ids[0]) == [("Pro fee", "45.00")]
    assert not CreditNote.objects.exists()


def test_a_draft_that_gives_back_can_be_changed_again():
    """45.00 - 15.00 for the rest of April; a second later 30.00, and the 15.00 have nothing left to come off."""
    subscription = subscribe(flat_plan("basic", "30.00"))
    make_default_profile(auto_advance=False)
    successor = change(subscription, flat_plan("pro", "90.00")).successor
    assert drafts() == ["30.00"]
    change(successor, flat_plan("mid", "60.00"), "2026-04-16T00:00:01")
    assert drafts() == ["0.00", "30.00"]
    assert [(net, into) for _, net, _, _, into in notes()] == [("15.00", "15.00")]
    assert_books_are_clean("2026-04-17")
