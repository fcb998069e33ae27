"""Drafts are edited, and what waits is invoiced at once, at the finance desk: the money first."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.models import Invoice, InvoiceLine
from tests.admin.pages import answered, confirmed, text_of
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber, run
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url, verb_url
from tests.support.invoices import invoices, lines
from tests.support.late_usage import draft_with_adjustment

pytestmark = pytest.mark.django_db

ON = at("2026-03-18")


@pytest.fixture
def draft():
    make_default_profile(auto_advance=False)
    make_subscriber(flat_plan("basic", "50.00"))
    run("2026-03-17")
    return Invoice.objects.get(status__startswith="draft.")


def test_a_draft_is_edited_with_the_money_first(clerk, draft):
    """Two fees less 20 % are 80.00, and 30.00 for the training."""
    answers = {"quantity_1": "2", "discount_1": "20", "new_name": "Training", "new_amount": "30.00"}
    page = answered(clerk, draft, "edit-draft", ON, **answers)
    shown = text_of(page)
    assert "50.00 EUR" in shown
    assert "110.00 EUR" in shown
    assert lines(draft.pk) == [("Basic fee", "50.00")]
    assert confirmed(clerk, draft, "edit-draft", page, ON) == ["The draft is changed: it comes to 110.00 EUR."]
    assert lines(draft.pk) == [("Basic fee", "80.00"), ("Training", "30.00")]
    assert AuditEntry.objects.get(verb="edit_draft").reason == "Agreed by phone"
    page = text_of(clerk.read(page_url(draft)))
    assert "Set by hand" in page
    assert "2 instead of 1" in page

    page = answered(clerk, draft, "edit-draft", ON, remove_2="on", quantity_1="1", quantity_2="1")
    confirmed(clerk, draft, "edit-draft", page, ON)
    assert lines(draft.pk) == [("Basic fee", "50.00")]
    assert InvoiceLine.objects.get(invoice=draft, deleted_at=None).managed_by == "subscription"


def test_late_usage_on_a_draft_is_not_asked_about(clerk):
    draft = draft_with_adjustment()
    on = at("2026-06-02")
    page = answered(clerk, draft, "edit-draft", on, quantity_1="5")
    assert confirmed(clerk, draft, "edit-draft", page, on) == ["The draft is changed: it comes to 12.00 EUR."]
    assert sorted(lines(draft.pk)) == [("Calls", "5.00"), ("Calls, late usage", "7.00")]


def test_an_edit_on_what_somebody_else_changed_meanwhile_is_refused(clerk, approver, draft):
    page = answered(clerk, draft, "edit-draft", ON, quantity_1="2")
    other = answered(approver, draft, "edit-draft", ON, quantity_1="3")
    confirmed(approver, draft, "edit-draft", other, at("2026-03-18T01:00"))
    assert "changed since you read it" in str(confirmed(clerk, draft, "edit-draft", page, at("2026-03-18T02:00")))
    assert lines(draft.pk) == [("Basic fee", "150.00")]


def test_much_off_is_proposed_to_a_second_person(clerk, draft):
    page = answered(clerk, draft, "edit-draft", ON, quantity_1="1", discount_1="60")
    assert "Basic fee would cost 60 % less than computed." in text_of(page)
    assert "Propose" in page


def test_what_is_due_is_invoiced_at_once_after_it_was_shown(approver, clerk):
    make_default_profile()
    customer = make_customer()
    charge = Charge(name="Setup", start=ON, end=ON, invoice_at=ON, price={"type": "flat", "amount": "70.00"})
    with clock.frozen_at(ON):
        add_charges(customer=customer, currency="EUR", charges=[charge])
    page = answered(approver, customer, "invoice-now", ON)
    assert "70.00" in text_of(page)
    assert invoices() == []
    assert confirmed(approver, customer, "invoice-now", page, ON) == ["1 invoice made, over 70.00 EUR."]
    assert invoices() == [("INV-000001", "70.00", "0.00")]
    with clock.frozen_at(ON):
        assert clerk.get(verb_url(customer, "invoice-now")).status_code == 403
    assert "nothing to invoice" in text_of(answered(approver, customer, "invoice-now", ON))
