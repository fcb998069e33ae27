"""The invoice page: what it shows, and what can be done from it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.audit.actors import Actor
from core.audit.models import AuditEntry
from invoicing.models import BalanceEntry, BilledWindow, Invoice
from tests.admin.pages import text_of
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import START, make_draft, make_issued
from tests.support.customers import make_default_profile
from tests.support.desk import Desk, list_url, page_url, said, verb_url
from tests.support.invoices import notes
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def test_the_page_shows_number_lines_money_and_frozen_terms(clerk):
    page = clerk.read(page_url(make_issued()))
    for text in ("INV-000001", "Paid", "Acme", "Base fee", "50.00 EUR a month, in advance", "Frozen terms", "30 days"):
        assert text in page
    assert '50.00 <span class="ch-currency">EUR</span>' in page
    assert "17 Mar 2026 00:00 UTC" in text_of(page)


def test_the_money_leads_to_the_customers_balance(clerk):
    invoice = make_issued()
    link = f"{list_url(BalanceEntry)}?customer__id__exact={invoice.customer_id}"
    assert link in clerk.read(page_url(invoice))
    assert clerk.read(link)


def test_a_gathering_invoice_shows_what_would_be_owed_now(clerk):
    make_issued()
    gathering = Invoice.objects.get(status="gathering")
    page = clerk.read(page_url(gathering))
    assert "What would be owed now" in page
    assert '<td class="ch-right"><span class="ch-money">50.00 <span class="ch-currency">EUR</span></span></td>' in page


def test_an_approver_issues_a_draft_with_a_reason_in_the_audit_trail(approver):
    draft = make_draft()
    response = approver.do(draft, "approve", reason="Checked with sales")
    draft.refresh_from_db()
    assert said(response) == ["INV-000001 over 50.00 EUR is issued."]
    assert (draft.number, draft.status) == ("INV-000001", "paid")
    entry = AuditEntry.objects.get(verb="approve_invoice")
    assert (entry.actor_label, entry.reason) == ("Approver", "Checked with sales")


def test_asking_to_approve_changes_nothing(approver):
    draft = make_draft()
    page = approver.read(verb_url(draft, "approve"))
    draft.refresh_from_db()
    assert "Is the draft for Acme over 50.00 EUR right" in page
    assert draft.status == "draft.manual_approval_needed"


def test_who_started_the_run_does_not_approve_its_drafts():
    desk = Desk("Finance approver", username="ada")
    draft = make_draft(by=Actor("user", str(desk.user.pk), "Ada"))
    response = desk.do(draft, "approve", reason="mine")
    draft.refresh_from_db()
    assert said(response) == ["You started the run that made this draft: somebody else must approve it."]
    assert draft.status == "draft.manual_approval_needed"
    Desk("Finance approver", username="bob").do(draft, "approve", reason="seen")
    draft.refresh_from_db()
    assert draft.number == "INV-000001"


def test_a_button_that_can_not_be_used_says_why(clerk):
    page = clerk.read(page_url(make_issued()))
    assert 'aria-disabled="true"' in page
    assert "Nothing is due on it." in page


def test_what_can_not_be_done_is_refused_when_posted_too(clerk):
    invoice = make_issued()
    response = clerk.do(invoice, "collect", reason="")
    assert said(response) == ["Nothing is due on it."]
    assert invoice.payments.count() == 1


def test_a_declined_invoice_is_charged_again(clerk):
    invoice = make_issued(decline=True)
    invoice.customer.app_data.update(data={})
    response = clerk.do(invoice, "collect", reason="The customer called")
    invoice.refresh_from_db()
    assert said(response) == ["INV-000001 is paid."]
    assert (invoice.status, invoice.payments.count()) == ("paid", 2)


def test_a_decline_is_told_as_one(clerk):
    invoice = make_issued(decline=True)
    response = clerk.do(invoice, "collect", reason="")
    assert said(response)[0].startswith("The charge did not succeed: Payment failed.")


def test_a_deleted_draft_is_billed_again_or_waived(clerk):
    draft = make_draft()
    response = clerk.do(draft, "delete-draft", windows="waive", reason="Goodwill")
    draft.refresh_from_db()
    assert said(response) == ["The draft is deleted; its periods are waived."]
    assert (draft.status, BilledWindow.objects.get().kind) == ("deleted", "waiver")


def test_a_draft_is_not_deleted_without_a_reason(clerk):
    draft = make_draft()
    response = clerk.post(verb_url(draft, "delete-draft"), {"windows": "rebill", "reason": " "})
    draft.refresh_from_db()
    assert "This field is required." in response.content.decode()
    assert draft.status == "draft.manual_approval_needed"


def test_a_draft_in_its_review_time_says_until_when(clerk):
    with clock.frozen_at(START):
        draft = make_draft(auto_advance=True, draft_period="P3D")
        assert draft.draft_until == START + timedelta(days=3)
        assert "It is a draft until 20 Mar 2026 00:00 UTC." in clerk.read(page_url(draft))


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Billing admin", "Auditor"])
def test_no_role_edits_an_invoice_by_form(role):
    invoice = make_issued()
    desk = Desk(role)
    assert desk.post(page_url(invoice), {"total": "0", "customer": invoice.customer_id}).status_code == 403
    assert desk.get("/admin/invoicing/invoice/add/").status_code == 403
    assert desk.post(f"/admin/invoicing/invoice/{invoice.pk}/delete/", {"post": "yes"}).status_code == 403
    invoice.refresh_from_db()
    assert (str(invoice.total), invoice.issued_at) == ("50.00", at("2026-03-17"))


def test_many_drafts_are_approved_at_once_with_the_result_of_each(approver):
    draft = make_draft()
    url = "/admin/invoicing/invoice/"
    chosen = {"action": "approve", "_selected_action": [str(draft.pk)]}
    asked = approver.post(url, chosen).content.decode()
    draft.refresh_from_db()
    assert "Approve and issue: 1 of 1 invoices?" in asked
    assert draft.number is None

    result = approver.post(url, chosen | {"confirmed": "yes", "reason": ""}).content.decode()
    draft.refresh_from_db()
    assert "1 of 1 done" in result
    assert draft.number == "INV-000001"


def timeline(page):
    """The sentences of the timeline, the newest first, without their marks."""
    listed = page.split('<ol class="ch-timeline">')[1].split("</ol>")[0]
    return [re.sub(r"<.*?>", "", text) for text in re.findall(r"<li><p.*?>(.*?)</p>", listed)]


def test_the_timeline_tells_what_the_run_did_and_leads_to_the_run(clerk):
    invoice = make_issued()
    page = clerk.read(page_url(invoice))
    assert timeline(page) == [
        "Sandbox collected 50.00 EUR.",
        "The run up to 2026-03-17 00:00 UTC, started by the schedule, issued it as INV-000001 over 50.00 EUR, due on "
        "16 Apr 2026.",
    ]
    assert page_url(invoice.run) in page
    assert timeline(clerk.read(reverse("admin:invoicing_invoice_history", args=[invoice.pk]))) == timeline(page)


def test_a_draft_was_made_first_and_what_people_did_stands_between(approver):
    draft = make_draft(by=Actor("user", "7", "Ada"))
    with clock.frozen_at(START + timedelta(days=2)):
        approver.do(draft, "approve", reason="Checked")
    assert timeline(approver.read(page_url(draft)))[-1] == (
        "The run up to 2026-03-17 00:00 UTC, started by Ada, made it as a draft."
    )
    assert set(timeline(approver.read(page_url(draft)))[:-1]) == {
        "Sandbox collected 50.00 EUR.",
        "It was issued as INV-000001 over 50.00 EUR, due on 18 Apr 2026.",
        "Approver approved INV-000001 of Acme over 50.00 EUR.",
    }


def test_a_declined_charge_is_told_with_the_providers_words(clerk):
    assert timeline(clerk.read(page_url(make_issued(decline=True))))[0] == (
        "A charge of 50.00 EUR through Sandbox failed: The sandbox card was declined."
    )


def test_what_happened_costs_no_query_of_its_own(clerk):
    issued = make_issued(decline=True)
    clerk.read(page_url(issued))
    with CaptureQueriesContext(connection) as one:
        clerk.read(page_url(issued))
    for _ in range(3):
        clerk.do(issued, "collect", reason="Again")
    with CaptureQueriesContext(connection) as many:
        clerk.read(page_url(issued))
    assert len(many) == len(one)


def test_a_draft_that_is_to_be_deleted_says_what_comes_back_otherwise(clerk):
    """30.00 a month become 90.00 on the 16th: the draft gives back 15.00. With it gone, a credit note does."""
    basic = subscribe(flat_plan("basic", "30.00"))
    make_default_profile(draft_period="P1D")
    change(basic, flat_plan("pro", "90.00"))
    draft = Invoice.objects.get(status__startswith="draft.")
    page = clerk.read(verb_url(draft, "delete-draft"))
    assert "The 15.00 EUR of earlier invoices that it gives back come by credit note instead." in page
    clerk.do(draft, "delete-draft", windows="waive", reason="Goodwill")
    assert [total for _, _, total, _, _ in notes()] == ["15.00"]
