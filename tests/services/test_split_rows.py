"""A line that was split is a group of parts: it stands with them and is in no total (billing rules 7)."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.corrections.retax_drafts import retax
from invoicing.customer_guards.delete_customer import what_is_open
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.lifecycle.issue import issue_drafts
from invoicing.models import Invoice, InvoiceLine
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.closing import START, close, make_draft
from tests.support.invoices import money

pytestmark = pytest.mark.django_db

NEVER = Decimal("999.00")


def add_group(invoice, amount=NEVER):
    """A row as a split leaves it, but for money that would show in any total that takes it up."""
    line = InvoiceLine.objects.filter(invoice=invoice).order_by("position").first()
    line.pk = None
    line.id = InvoiceLine().id
    line.status, line.window, line.position = "split", None, 9
    line.amount = line.total = amount
    line.charges_total = line.discounts_total = line.taxes_total = 0
    line.explain = None
    line.save(force_insert=True)
    return line


@pytest.fixture
def draft(db):
    """50.00 of March on a draft; April's fee and the excess of March wait."""
    return make_draft()


def gathering():
    return Invoice.objects.get(status="gathering")


def test_a_draft_is_added_up_taxed_and_issued_without_it(draft):
    add_group(draft)
    retax([draft.pk], now=clock.now())
    draft.refresh_from_db()
    assert money(draft.total) == "50.00"
    with clock.frozen_at(at("2026-03-18")):
        issued = approve_invoice(invoice=draft)
    assert (money(issued.total), money(issued.due + issued.paid)) == ("50.00", "50.00")


def test_it_goes_with_its_invoice_and_the_books_stay_clean(draft):
    add_group(draft, amount=Decimal(0))
    with clock.frozen_at(at("2026-03-18")):
        issued = approve_invoice(invoice=draft)
    assert issued.lines.filter(status="split", deleted_at=None).count() == 1
    assert_books_are_clean("2026-03-18")


def test_a_draft_of_groups_alone_is_not_issued(draft):
    add_group(draft)
    draft.lines.filter(status="valid").update(deleted_at=clock.now())
    assert issue_drafts([draft.pk], now=clock.now(), taxed_at={}) == []
    draft.refresh_from_db()
    assert draft.status == "deleted"


def test_a_deleted_draft_is_billed_again_as_it_was(draft):
    add_group(draft)
    with clock.frozen_at(at("2026-03-18")):
        delete_draft(invoice=draft, rebill=True, reason="wrong address")
    close(draft.customer, "2026-03-18")
    assert [money(each.total) for each in Invoice.objects.filter(status__startswith="draft.")] == ["50.00"]


def test_it_is_no_business_that_keeps_a_customer(draft):
    group = add_group(gathering())
    draft.customer.subscriptions.update(active_to=START)
    Invoice.objects.filter(pk=draft.pk).update(status="deleted")
    InvoiceLine.objects.filter(invoice=gathering()).exclude(pk=group.pk).delete()
    with clock.frozen_at(at("2027-01-01")):
        assert "lines" not in what_is_open(draft.customer)
