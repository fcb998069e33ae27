"""Every list at the finance desk is as wide as the page: nobody scrolls sideways to read a row."""

import re
from datetime import timedelta

import pytest

from core import clock
from core.approvals.models import ChangeRequest
from core.outbox.models import OutboxMessage
from customers.models import Customer
from entitlements.models import UsageEvent
from invoicing.models import BillingRun
from subscriptions.models import Subscription
from tests.admin.test_lists import grow
from tests.support.catalog import make_excess_plan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Also what a list itself would scroll: its own scrollbar hides what is cut off.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll('.simplebar-content-wrapper')]
    .filter(box => box.querySelector('#result_list') && box.scrollWidth > box.clientWidth)
    .map(box => `${box.scrollWidth} > ${box.clientWidth}`)"""


def lengthen():
    """Values as long as those of real companies."""
    for customer in Customer.objects.all():
        customer.name = f"Brindle & Cobalt Harbor Logistics {customer.key}"
        customer.key = f"brindle-cobalt-harbor-logistics-{customer.key}"
        customer.primary_email = f"accounts-payable@{customer.key}.example"
        customer.time_zone = "America/Argentina/Buenos_Aires"
        customer.save()
        address = customer.primary_email
        OutboxMessage.objects.create(topic="email", payload={"to": address, "subject": "Payment of INV-000001 failed"})
    Subscription.objects.update(name="Enterprise, own terms (USD)", active_to=clock.now() + timedelta(days=900))
    for event in UsageEvent.objects.all():
        event.external_id = f"brindle-cobalt-harbor-logistics-compute.job-20261130-{event.external_id}"
        event.subject, event.source = "brindle-cobalt-harbor-logistics", "edge-collector.eu-central.example"
        event.data = {"hours": 175.5, "region": "eu-central", "tier": "reserved"}
        event.save()
    ChangeRequest.objects.create(
        what="Write off INV-000001 of Brindle & Cobalt Harbor Logistics over 12,500.00 EUR",
        rule="More than 5,000.00 EUR a day by one person.",
        effect="12,500.00 EUR are no longer claimed; the invoice stays as it is.",
        place={},
        answers={},
        digest="1",
        author="user:1",
        author_name="Grace Okafor-Lindqvist",
        expires_at=clock.real_now() + timedelta(days=7),
    )
    BillingRun.objects.update(started_by="brindle-cobalt-operator")


@pytest.mark.parametrize("width", [1440, 1280])
def test_no_list_scrolls_sideways(page, log_in, width):
    log_in("Billing admin")
    grow(make_excess_plan(), 0, 3)
    lengthen()
    page.set_viewport_size({"width": width, "height": 950})
    page.goto("/admin/")
    hrefs = page.locator("#nav-sidebar a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    lists = sorted({href for href in hrefs if re.fullmatch(r"/admin/\w+/\w+/", href or "")})
    shown, wide = [], {}
    for url in lists:
        page.goto(url)
        if page.locator("#result_list").count():
            page.locator(".simplebar-content-wrapper #result_list").wait_for()
            shown.append(url)
        wide[url] = page.evaluate(TOO_WIDE)
    assert {url: boxes for url, boxes in wide.items() if boxes} == {}
    assert {f"/admin/{name}/" for name in LONG} <= set(shown)


LONG = [
    "customers/customer", "subscriptions/subscription", "invoicing/invoice", "invoicing/payment",
    "invoicing/billingrun", "invoicing/parkedcustomer", "entitlements/usageevent", "outbox/outboxmessage",
    "approvals/changerequest",
]  # fmt: skip
