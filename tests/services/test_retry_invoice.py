"""The step at which a draft stopped is tried again, that step alone (billing rules 6)."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.choices import InvoiceStatus
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.errors import WrongInvoiceState
from invoicing.models import Invoice
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import make_draft
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
