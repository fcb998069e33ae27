"""Late usage in a real browser: the inbox, a case with its events, billed with the figures shown."""

import pytest
from playwright.sync_api import expect

from core import clock
from invoicing.models import LateUsageCase
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.desk import list_url, page_url
from tests.support.late_usage import calls_feature, cases, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _in_may(db):
    with clock.frozen_at(at("2026-05-20")):
        yield


def test_a_case_is_opened_from_the_inbox_and_billed(page, log_in):
    log_in("Finance clerk")
    subscribe(metered(calls_feature()))
    make_default_profile(late_usage="ask")
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    page.goto(list_url(LateUsageCase))
    expect(page.get_by_text("7 beyond 12")).to_be_visible()
    page.goto(page_url(LateUsageCase.objects.get()))
    expect(page.get_by_text("acme-2026-04-20-7")).to_be_visible()
    page.get_by_role("link", name="Bill", exact=True).click()
    expect(page.get_by_text("Bill 7.00 EUR net to Acme?")).to_be_visible()
    page.get_by_label("Reason").fill("Agreed by phone")
    page.get_by_role("button", name="Bill", exact=True).click()
    expect(page.get_by_text("7.00 EUR net are on the next invoice of Acme.")).to_be_visible()
    assert cases() == [("04-01", "7", "7.00", "billed")]
