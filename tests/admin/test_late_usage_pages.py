"""The inbox of late usage: money first, decided one by one or in bulk, with the events behind each case."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from invoicing.late_usage.decide import waive_late_usage
from invoicing.models import Invoice, LateUsageCase
from tests.admin.pages import text_of
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import list_url, page_url, said, verb_url
from tests.support.late_usage import adjusted, calls_feature, cases, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db


@pytest.fixture
def inbox():
    """Of two customers 7 and 20 units of April came late; each has 12 billed at 1.00."""
    plan = metered(calls_feature())
    for key in ("acme", "bolt"):
        subscribe(plan, customer=make_customer(key=key, name=key.title()))
        ingest("2026-04-10", "12", subject=key)
    make_default_profile(late_usage="ask")
    run("2026-05-01")
    for key, late in (("acme", "7"), ("bolt", "20")):
        ingest("2026-04-20", late, arrived="2026-05-10", subject=key)
    run("2026-05-12")
    with clock.frozen_at(at("2026-05-20")):
        yield


def test_the_largest_comes_first(inbox, clerk):
    rows = text_of(clerk.read(list_url(LateUsageCase)))
    assert rows.index("Bolt") < rows.index("Acme")
    assert "20.00" in rows
    assert "7 beyond 12" in rows


def test_a_case_shows_its_sum_and_the_events_behind_it(inbox, clerk):
    case = LateUsageCase.objects.get(net=7)
    page = text_of(clerk.read(page_url(case)))
    assert "Net: 7.00 EUR" in page
    assert "acme-2026-04-20-7" in page
    assert "acme-2026-04-10-12" not in page
    invoice = Invoice.objects.get(customer__key="acme", issued_at__isnull=False)
    assert "Late usage of Calls from 2026-04-01 to 2026-05-01 To decide" in text_of(clerk.read(page_url(invoice)))


def test_a_clerk_bills_and_an_approver_waives(inbox, clerk, approver):
    billed, waived = LateUsageCase.objects.order_by("net")
    figures = {"quantity": "7", "net": "7.00"}
    assert said(clerk.do(billed, "bill", reason="Agreed", **figures)) == [
        "7.00 EUR net are on the next invoice of Acme."
    ]
    assert clerk.do(waived, "waive", reason="Small").status_code == 403
    assert said(approver.do(waived, "waive", reason="Small")) == ["20.00 EUR net of Bolt are waived."]
    assert [case[-1] for case in cases()] == ["billed", "waived"]
    assert "Agreed" in text_of(clerk.read(page_url(billed)))


def test_figures_that_changed_since_the_page_was_shown_are_refused(inbox, clerk):
    case = LateUsageCase.objects.get(net=7)
    answer = said(clerk.do(case, "bill", reason="Agreed", quantity="6", net="6.00"))
    assert "it is 7 now, 7.00 EUR net" in answer[0]
    case.refresh_from_db()
    assert case.state == "open"


def test_the_list_asks_the_same_for_many(inbox, clerk):
    with CaptureQueriesContext(connection) as two:
        clerk.read(list_url(LateUsageCase))
    LateUsageCase.objects.filter(net=7).update(state="waived", decided_at=at("2026-05-20"))
    with CaptureQueriesContext(connection) as one:
        clerk.read(list_url(LateUsageCase))
    assert len(one) == len(two) <= 12


def decide_all(desk, action, **answers):
    """All cases are chosen, the question about them is read, and it is answered."""
    chosen = {
        "action": action,
        "_selected_action": [str(pk) for pk in LateUsageCase.objects.values_list("pk", flat=True)],
    }
    asked = desk.post(list_url(LateUsageCase), chosen)
    return asked, desk.post(list_url(LateUsageCase), chosen | answers | {"confirmed": "yes"}, follow=True)


def test_many_are_billed_at_once_with_the_sum_shown_first(inbox, clerk):
    asked, done = decide_all(clerk, "bill", reason="Agreed")
    assert "Together 27.00 EUR net." in text_of(asked.content.decode())
    assert done.status_code == 200
    assert {case[2:] for case in cases()} == {("7.00", "billed"), ("20.00", "billed")}
    assert set(LateUsageCase.objects.values_list("reason", flat=True)) == {"Agreed"}
    run("2026-06-01")
    assert sorted(net for _, _, net, _ in adjusted()) == ["20.00", "7.00"]


def test_many_are_waived_at_once_by_an_approver_alone(inbox, clerk, approver):
    assert decide_all(clerk, "waive", reason="Small")[1].status_code in (200, 403)
    assert {case[-1] for case in cases()} == {"open"}
    decide_all(approver, "waive", reason="Small")
    assert {case[2:] for case in cases()} == {("7.00", "waived"), ("20.00", "waived")}
    run("2026-06-01")
    assert adjusted() == []


def test_without_a_reason_none_of_many_is_decided(inbox, clerk):
    decide_all(clerk, "bill", reason=" ")
    assert {case[-1] for case in cases()} == {"open"}


def test_of_many_one_that_is_decided_already_keeps_no_other(inbox, clerk):
    first = LateUsageCase.objects.get(net=7)
    waive_late_usage(case=first, reason="Small")
    _, done = decide_all(clerk, "bill", reason="Agreed")
    assert {case[2:] for case in cases()} == {("7.00", "waived"), ("20.00", "billed")}
    assert "1 of 1 done" in text_of(done.content.decode())


def test_an_approver_reissues_the_invoice_and_sees_both_first(inbox, clerk, approver):
    Invoice.objects.filter(status="paid").update(status="issued", paid=0, due=12)
    case = LateUsageCase.objects.get(net=7)
    figures = {"reason": "One invoice", "quantity": "7", "net": "7.00"}
    assert clerk.do(case, "reissue", **figures).status_code == 403
    page = approver.post(verb_url(case, "reissue"), {"answered": "yes"} | figures)
    assert "Calls 1 Apr 2026 00:00 UTC 12.00 EUR 19.00 EUR" in text_of(page.content.decode())
    assert Invoice.objects.filter(status="voided").count() == 0
    [told] = said(approver.do(case, "reissue", **figures))
    assert told.endswith("over 19.00 EUR is issued instead.")
    page = text_of(approver.read(page_url(case)))
    assert "Billed anew with its invoice" in page
    assert Invoice.objects.get(status="voided").customer == case.customer


def test_why_an_invoice_is_not_reissued_stands_at_the_button(inbox, approver):
    case = LateUsageCase.objects.get(net=7)
    assert "12.00 EUR of it is paid: credit it instead" in text_of(approver.read(page_url(case)))
