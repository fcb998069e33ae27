"""Every list at the finance desk is as wide as the page: nobody scrolls sideways to read a row."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from core import clock
from core.approvals.models import ChangeRequest
from core.outbox.models import OutboxMessage
from customers.models import Customer
from entitlements.models import UsageEvent
from invoicing.models import BillingRun, TaxRate
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from subscriptions.models import Subscription
from tests.admin.test_lists import grow
from tests.support.catalog import fee, flat_card, make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.desk import page_url
from tests.support.subscriptions import do, subscribe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEY_AND_MAIL = ("brindle-cobalt", "accounts@brindle-cobalt-harbor.example")

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
    for event in list(UsageEvent.objects.all()):
        # Events are never changed: others stand beside them.
        UsageEvent.objects.create(
            external_id=f"brindle-cobalt-harbor-logistics-compute.job-20261130-{event.external_id}",
            subject="brindle-cobalt-harbor-logistics",
            source="edge-collector.eu-central.example",
            type=event.type,
            time=event.time,
            data={"hours": 175.5, "region": "eu-central", "tier": "reserved"},
        )
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


# Of each column with figures its heading, and how far the heading's and the figures' right edges are apart, in pixels.
FIGURES = """() => [...document.querySelectorAll('#result_list thead th')].flatMap((heading, index) => {
    const figure = document.querySelector(`#result_list tbody tr > :nth-child(${index + 1}) .ch-money`)
    const said = heading.querySelector('.text')
    if (!figure || !said) return []
    const [left, right] = [said, figure].map(element => element.getBoundingClientRect().right)
    return [[said.innerText.trim(), Math.round(Math.abs(left - right))]]
})"""


def test_figures_stand_under_their_headings(page, log_in):
    log_in("Billing admin")
    subscription = subscribe(make_plan(cards=(flat_card(),)))
    do(cancel_subscription, subscription, "2026-04-16")
    TaxRate.objects.create(country="DE", rate=19, name="VAT", valid_from=at("2020-01-01"))
    found: dict[str, Any] = {}
    for name in ("creditnote", "taxrate", "balanceentry", "invoice"):
        page.goto(f"/admin/invoicing/{name}/")
        page.locator(".simplebar-content-wrapper #result_list").wait_for()
        found |= dict(page.evaluate(FIGURES))
    assert {"Total", "To the balance", "Rate", "Still due"} <= set(found)
    assert {heading: pixels for heading, pixels in found.items() if pixels > 1} == {}


def test_no_card_of_a_subscription_is_cut_off(page, log_in):
    """Beside the items stand cards that are narrow at every width; cut off, what they tell could not be read at all."""
    log_in("Finance clerk")
    first = {"key": "trial", "name": "Trial", "duration": "P2M", "cards": (flat_card(price=fee("10.00")),)}
    rest = {"key": "rest", "name": "Standard", "cards": (flat_card(price=fee("30.00")),)}
    url = page_url(subscribe(make_plan(first, rest, key="ramp", name="Ramp-up")))
    cut_off = """() => [...document.querySelectorAll('.ch-card')]
        .filter(card => card.scrollWidth > card.clientWidth && getComputedStyle(card).overflowX !== 'auto'
            || window.innerWidth > 1200 && card.scrollWidth > card.clientWidth)
        .map(card => card.querySelector('h3')?.innerText)"""
    for width in (1440, 1280, 390):
        page.set_viewport_size({"width": width, "height": 950})
        page.goto(url)
        expect(page.get_by_role("heading", name="Phases")).to_be_visible()
        assert page.evaluate(cut_off) == [], width


def test_a_row_is_a_card_on_a_narrow_screen_with_both_values_of_a_cell_in_full(page, log_in):
    log_in("Finance clerk")
    make_customer(key=KEY_AND_MAIL[0], primary_email=KEY_AND_MAIL[1])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/customers/customer/")
    cell = page.locator("td.field-reached_by")
    expect(cell.get_by_text(KEY_AND_MAIL[1])).to_be_visible()
    assert cell.evaluate("cell => [cell.scrollWidth <= cell.clientWidth, cell.scrollHeight <= cell.clientHeight]") == [
        True,
        True,
    ]
    key, email = (cell.get_by_text(text, exact=True).bounding_box() for text in KEY_AND_MAIL)
    assert key["y"] + key["height"] <= email["y"] + 1


LONG = [
    "customers/customer", "subscriptions/subscription", "invoicing/invoice", "invoicing/payment",
    "invoicing/billingrun", "invoicing/parkedcustomer", "entitlements/usageevent", "outbox/outboxmessage",
    "approvals/changerequest",
]  # fmt: skip
