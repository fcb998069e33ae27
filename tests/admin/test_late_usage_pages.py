"""The inbox of late usage: money first, decided one by one or in bulk, with the events behind each case."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from invoicing.models import Invoice, LateUsageCase
from tests.admin.pages import text_of
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import list_url, page_url, said
from tests.support.late_usage import calls_feature, cases, ingest
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
