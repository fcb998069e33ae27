"""The step at which a draft stopped is tried again, that step alone (billing rules 6)."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.choices import InvoiceStatus
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.errors import AppNotUsable, WrongInvoiceState
from invoicing.lifecycle.draft_steps import Act, allowed_acts
from invoicing.models import Invoice
from invoicing.payments.manage_app import uninstall_app
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import make_draft, make_issued
from tests.support.customers import make_customer, make_default_profile
from tests.support.usage import use

pytestmark = pytest.mark.django_db

UNIT = {"type": "unit", "amount": "1.00"}


def stopped_at_collection(settings):
    """60 calls at 1.00 in April, collected on 2 May: beyond the limit of 50.00, so it stops."""
    make_default_profile(collection_interval="P1D", draft_period="P2D")
    feature = make_feature(key="calls", name="Calls", meter=make_meter())
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        plan = make_plan(cards=(usage_card(key="calls", name="Calls", feature=feature, price=UNIT),))
        record_subscription(customer=customer, plan=plan, active_from=at("2026-04-01"))
    settings.AMOUNT_LIMITS = {"EUR": Decimal(50)}
    with clock.frozen_at(at("2026-05-01")):
        run_due(as_of=at("2026-05-01"))
    # After the draft was made, before its usage is collected.
    use("2026-04-20", 60)
    with clock.frozen_at(at("2026-05-02T00:05")):
        run_due(as_of=at("2026-05-02T00:05"))
    return Invoice.objects.get(status=InvoiceStatus.DRAFT_COLLECTING_FAILED)


def test_a_collection_is_retried_and_nothing_after_it(settings):
    """It is a draft until 4 May, so that it can be looked at; collected again, it waits for that."""
    draft = stopped_at_collection(settings)
    with clock.frozen_at(at("2026-05-03")):
        failed = retry_invoice(invoice=draft)
        assert (failed.status, "60.00 EUR" in failed.status_note) == ("draft.collecting_failed", True)
        settings.AMOUNT_LIMITS = {"EUR": Decimal(500)}
        mended = retry_invoice(invoice=draft, reason="The limit was raised")
    assert (mended.status, mended.status_note, str(mended.total)) == ("draft.waiting_auto_approval", "", "60.00")
    with clock.frozen_at(at("2026-05-06")):
        run_due(as_of=at("2026-05-06"))
    draft.refresh_from_db()
    assert (draft.status, str(draft.total)) == ("paid", "60.00")
    last = AuditEntry.objects.filter(verb="retry_invoice").latest("id")
    assert last.reason == "The limit was raised"


def test_an_issue_that_fails_again_keeps_its_state_with_the_cause_of_now(settings):
    draft = make_draft()
    Invoice.objects.filter(pk=draft.pk).update(status="draft.invalid", status_note="Something else")
    settings.AMOUNT_LIMITS = {"EUR": Decimal(10)}
    with clock.frozen_at(at("2026-03-18")):
        failed = retry_invoice(invoice=draft)
        assert (failed.status, failed.number) == ("draft.invalid", None)
        assert "beyond the safety limit of 10.00 EUR" in failed.status_note
        settings.AMOUNT_LIMITS = {"EUR": Decimal(100)}
        issued = retry_invoice(invoice=draft)
        assert (issued.status, issued.number, str(issued.paid)) == ("paid", "INV-000001", "50.00")
        with pytest.raises(WrongInvoiceState, match="No step of it has failed"):
            retry_invoice(invoice=draft)
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1


def unissuable():
    """A draft over 50.00 EUR whose frozen terms miss what its issue asks for: no fault of its content."""
    draft = make_draft(auto_advance=True, draft_period="P1D")
    terms = draft.workflow_snapshot
    broken = {"values": {name: value for name, value in terms["values"].items() if name != "due_after"}}
    Invoice.objects.filter(pk=draft.pk).update(workflow_snapshot=broken)
    with clock.frozen_at(at("2026-03-18")):
        run_due(as_of=at("2026-03-18"))
    draft.refresh_from_db()
    return draft, terms


def test_an_issue_that_goes_wrong_has_a_state_of_its_own_and_is_tried_again_alone():
    draft, terms = unissuable()
    assert (draft.status, draft.number, str(draft.total)) == ("issuing.failed", None, "50.00")
    assert "KeyError" in draft.status_note
    with clock.frozen_at(at("2026-03-19")):
        # Nothing moves it on by itself.
        run_due(as_of=at("2026-03-19"))
        assert retry_invoice(invoice=draft).status == "issuing.failed"
        Invoice.objects.filter(pk=draft.pk).update(workflow_snapshot=terms)
        issued = retry_invoice(invoice=draft, reason="Mended")
    assert (issued.status, issued.status_note, issued.number, str(issued.paid)) == ("paid", "", "INV-000001", "50.00")
    assert_books_are_clean("2026-03-19")


def test_what_could_not_be_issued_stops_for_the_cause_of_now(settings):
    """First its terms, then its amount: each in the state of its own step, and back."""
    draft, _ = unissuable()
    settings.AMOUNT_LIMITS = {"EUR": Decimal(10)}
    with clock.frozen_at(at("2026-03-19")):
        assert retry_invoice(invoice=draft).status == "draft.invalid"
        settings.AMOUNT_LIMITS = {}
        assert retry_invoice(invoice=draft).status == "issuing.failed"
    draft.refresh_from_db()
    assert "KeyError" in draft.status_note


def test_what_could_not_be_issued_can_be_deleted_and_is_billed_again():
    draft, _ = unissuable()
    with clock.frozen_at(at("2026-03-19")):
        assert delete_draft(invoice=draft, rebill=True, reason="Made anew").status == "deleted"
        run_due(as_of=at("2026-03-19"))
    with clock.frozen_at(at("2026-03-20")):
        run_due(as_of=at("2026-03-20"))
    issued = Invoice.objects.get(issued_at__isnull=False)
    assert (issued.number, str(issued.total)) == ("INV-000001", "50.00")
    assert_books_are_clean("2026-03-20")


def test_an_app_is_needed_by_what_could_not_be_issued():
    draft, _ = unissuable()
    with pytest.raises(AppNotUsable, match="1 draft and"):
        uninstall_app(app=draft.app)


def test_a_charge_that_failed_is_tried_again_alone():
    """The card is declined at the issue; once it works, the same retry charges the 50.00 that are due, once."""
    invoice = make_issued(decline=True)
    assert invoice.status == "payment_processing.failed"
    with clock.frozen_at(at("2026-03-17T01:00")):
        assert allowed_acts(invoice, clock.now())[Act.RETRY] == "payment_processing.pending"
        assert retry_invoice(invoice=invoice).status == "payment_processing.failed"
        invoice.customer.app_data.update(data={})
        paid = retry_invoice(invoice=invoice)
        assert (paid.status, str(paid.paid), str(paid.due)) == ("paid", "50.00", "0")
        assert Act.RETRY not in allowed_acts(paid, clock.now())
        with pytest.raises(WrongInvoiceState, match="No step of it has failed"):
            retry_invoice(invoice=invoice)
    assert list(invoice.payments.order_by("attempt").values_list("attempt", "status")) == [
        (1, "failed"),
        (2, "failed"),
        (3, "succeeded"),
    ]
