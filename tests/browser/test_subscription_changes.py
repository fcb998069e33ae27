"""Changing a plan in a real browser: chosen, seen with its money, confirmed."""

import pytest
from playwright.sync_api import expect

from core.testclock.models import ClockSetting
from tests.admin.desk import page_url
from tests.make import at
from tests.services.changes import flat_plan, subscribe, vat_customer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_clerk_sees_what_an_upgrade_comes_to_and_makes_it(page, log_in):
    log_in("Finance clerk")
    subscription = subscribe(flat_plan("basic", "30.00"), customer=vat_customer())
    flat_plan("pro", "90.00")
    ClockSetting.objects.create(now=at("2026-04-16"))
    page.goto(page_url(subscription))
    page.get_by_role("link", name="Change plan").click()
    page.get_by_label("New plan").select_option(label="Pro (pro v1), billed monthly")
    page.get_by_text("now", exact=True).click()
    page.get_by_label("Reason").fill("Agreed by phone")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("Unused part: Basic fee")).to_be_visible()
    expect(page.get_by_text("Pro begins then.")).to_be_visible()
    page.get_by_role("button", name="Change plan").click()
    expect(page.get_by_text("Basic changes to Pro on 16 Apr 2026 00:00 UTC. 1 invoice made.")).to_be_visible()
