"""Webhooks in a real browser: a channel, a rule with its thresholds, and what became of an example."""

from ipaddress import ip_network

import pytest
from playwright.sync_api import expect

from core.notifications.models import Delivery, Rule
from core.notifications.tasks import deliver_webhooks
from tests.support.desk import list_url, page_url
from tests.support.endpoint import listening

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fits(page):
    for width in (600, 1440):
        page.set_viewport_size({"width": width, "height": 950})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width


def test_a_channel_and_a_rule_are_made_and_an_example_arrives(page, log_in, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    log_in("Billing admin")
    with listening() as endpoint:
        page.goto("/admin/notifications/channel/add/")
        page.get_by_label("Name").fill("Warehouse")
        page.get_by_label("Address").fill(endpoint.url)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("It is shown this once")).to_be_visible()
        page.get_by_role("link", name="Done").click()

        page.goto("/admin/notifications/rule/add/")
        page.get_by_label("Name").fill("Usage is high")
        page.get_by_label("Warehouse").check()
        for number, (kind, value) in enumerate((("Usage above, in percent", "80"), ("Balance below", "5")), start=1):
            row = page.get_by_label(f"What, {number}", exact=True)
            row.select_option(label=row.locator("option", has_text=kind).inner_text())
            page.get_by_label(f"Value, {number}", exact=True).fill(value)
        page.get_by_role("button", name="Add threshold").click()
        expect(page.get_by_label("What, 3", exact=True)).to_be_focused()
        page.get_by_label("What, 3", exact=True).select_option("balance_value")
        page.get_by_label("Value, 3", exact=True).fill("0")
        fits(page)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("usage above 80 %, balance below 5, nothing left")).to_be_visible()
        fits(page)
        assert len(Rule.objects.get().thresholds) == 3

        page.get_by_role("link", name="Send an example").click()
        page.get_by_role("button", name="Send an example").click()
        expect(page.get_by_text("An example is on its way")).to_be_visible()
        endpoint.answer = 500
        deliver_webhooks()
        page.goto(list_url(Delivery))
        expect(page.get_by_text("The endpoint answered 500.")).to_be_visible()
        fits(page)
        page.goto(page_url(Delivery.objects.get()))
        expect(page.get_by_role("heading", name="Usage or balance crosses a threshold Waiting")).to_be_visible()
        expect(page.get_by_text('"balance": 199.5')).to_be_visible()  # a number, as it is sent
        fits(page)
        page.goto(page_url(Rule.objects.get().channels.get()))
        expect(page.get_by_text("Failures in a row")).to_be_visible()
        fits(page)
