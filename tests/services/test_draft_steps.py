"""What can be done to a draft is what the services do: for each state, before its time and after."""

import pytest
from django.db import transaction

from core import clock
from invoicing.choices import DELETABLE_STATUSES, InvoiceStatus
from invoicing.drafts.advance_invoice import advance_invoice
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.draft_steps import (
    COLLECTED_IN_TIME,
    TO_APPROVE,
    TO_COLLECT,
    TO_RETRY,
    Act,
    allowed_acts,
    drafts_due,
    first_step_after,
    next_step_at,
)
from invoicing.models import Invoice
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import make_draft, make_subscriber, run_close
from tests.support.customers import make_default_profile

pytestmark = pytest.mark.django_db

NOW = at("2026-03-20")
LATER = at("2026-03-21")
SERVICES = {
    Act.ADVANCE: lambda draft: advance_invoice(invoice=draft),
    Act.RETRY: lambda draft: retry_invoice(invoice=draft),
    Act.APPROVE: lambda draft: approve_invoice(invoice=draft),
    Act.SNAPSHOT_QUANTITIES: lambda draft: snapshot_quantities(invoice=draft),
    Act.DELETE: lambda draft: delete_draft(invoice=draft, rebill=True, reason="Wrong"),
}

# By hand: what can be done in each state before the time of its next step; behind a slash what else after it.
ALLOWED = {
    "draft.created": "delete snapshotQuantities / advance",
    "draft.waiting_for_collection": "delete snapshotQuantities / advance",
    "draft.collecting": "delete snapshotQuantities /",
    "draft.collecting_failed": "delete snapshotQuantities retry /",
    "draft.validating": "delete /",
    "draft.invalid": "delete retry /",
    "draft.syncing": "delete /",
    "draft.sync_failed": "delete /",
    "draft.waiting_auto_approval": "delete approve / advance",
    "draft.manual_approval_needed": "delete approve /",
    "issuing.failed": "delete retry /",
}


def test_which_drafts_can_be_collected_approved_and_tried_again():
    assert set(TO_COLLECT) == {
        "draft.created",
        "draft.waiting_for_collection",
        "draft.collecting",
        "draft.collecting_failed",
    }
    assert set(COLLECTED_IN_TIME) < set(TO_COLLECT)
    assert set(TO_APPROVE) == {"draft.waiting_auto_approval", "draft.manual_approval_needed"}
    assert set(TO_RETRY) == {"draft.collecting_failed", "draft.invalid", "issuing.failed"}
    assert set(ALLOWED) == {status.value for status in DELETABLE_STATUSES}


@pytest.mark.parametrize("due", [False, True], ids=["before_its_time", "after_its_time"])
@pytest.mark.parametrize("auto_advance", [False, True], ids=["by_hand", "automatic"])
@pytest.mark.parametrize("status", sorted(ALLOWED))
def test_what_is_offered_is_done_and_the_rest_refused(status, auto_advance, due):
    draft = make_draft(collection_method="send_invoice")
    draft.workflow_snapshot["values"]["auto_advance"] = auto_advance
    Invoice.objects.filter(pk=draft.pk).update(
        status=status,
        workflow_snapshot=draft.workflow_snapshot,
        collection_at=NOW if due else LATER,
        draft_until=NOW if due else LATER,
    )
    draft.refresh_from_db()
    always, _, in_time = ALLOWED[status].partition("/")
    expected = {Act(word) for word in (always + (in_time if due else "")).split()}

    with clock.frozen_at(NOW):
        offered = allowed_acts(draft, NOW)
        assert set(offered) == expected
        assert drafts_due(NOW).exists() == (next_step_at(draft) is not None and next_step_at(draft) <= NOW)
        for act, perform in SERVICES.items():
            with transaction.atomic():
                if act in expected:
                    assert perform(draft).status == offered[act], act
                else:
                    with pytest.raises(WrongInvoiceState):
                        perform(draft)
                transaction.set_rollback(True)
            draft = Invoice.objects.get(pk=draft.pk)


def test_the_clock_stops_at_the_first_step_of_a_draft():
    make_default_profile(auto_advance=False)
    plan = make_excess_plan()
    for key in ("one", "two"):
        make_subscriber(plan, key=key)
    run_close()
    first, second = Invoice.objects.filter(status__startswith="draft.")
    assert first_step_after(NOW) is None
    Invoice.objects.filter(pk=first.pk).update(
        status=InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION, collection_at=at("2026-03-25"), draft_until=LATER
    )
    assert first_step_after(NOW) == at("2026-03-25")
    Invoice.objects.filter(pk=second.pk).update(
        status=InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL, collection_at=NOW, draft_until=at("2026-03-24")
    )
    assert first_step_after(NOW) == at("2026-03-24")
    assert first_step_after(at("2026-03-24")) == at("2026-03-25")
    assert first_step_after(at("2026-03-25")) is None


def test_nothing_can_be_done_to_an_invoice_that_is_not_stored():
    assert allowed_acts(Invoice(status=InvoiceStatus.DRAFT_CREATED), NOW) == {}


def test_a_gathering_invoice_is_only_invoiced():
    make_draft()
    assert allowed_acts(Invoice.objects.get(status=InvoiceStatus.GATHERING), NOW) == {Act.INVOICE: None}
