"""Usage and entitlements in a real browser: charts lie within their cards, and what is worked out later arrives."""

import pytest
from playwright.sync_api import expect

from core import clock
from entitlements.models import UsageEvent
from tests.support.catalog import make_feature, make_meter
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url
from tests.support.entitlements import entitle, give
from tests.support.usage import use

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# What of a chart lies outside of its card, and which cards are cut off.
OUTSIDE = """() => [...document.querySelectorAll('.ch-chart :is(svg, rect, polyline, span)')].filter(part => {
    const [box, card] = [part, part.closest('.ch-card')].map(element => element.getBoundingClientRect())
    return box.width && (box.bottom > card.bottom + 1 || box.right > card.right + 1 || box.left < card.left - 1)
}).map(part => part.tagName)"""
CUT = """() => [...document.querySelectorAll('.ch-card, .ch-scroll')]
    .filter(box => box.scrollWidth > box.clientWidth + 1 && (innerWidth > 1200 || !box.matches('.ch-scroll')))
    .map(box => box.closest('.ch-card').querySelector('h3')?.innerText)"""


def stands_well(page):
    for width in (600, 1440):
        page.set_viewport_size({"width": width, "height": 950})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
        assert page.evaluate(OUTSIDE) == [], width
        assert page.evaluate(CUT) == [], width


def test_usage_is_seen_from_the_customer_down_to_one_event(page, log_in):
    make_default_profile()
    feature = make_feature(key="calls", name="Calls", meter=make_meter(name="API calls"))
    customer = make_customer(name="Brindle & Cobalt Harbor Logistics")
    today = clock.now()
    entitlement = entitle(customer, f"{today:%Y-%m-%d}", issue="1000000", feature_key=feature.key)
    give(entitlement, "250000", f"{today:%Y-%m-%d}", priority=2)
    use(f"{today:%Y-%m-%d}", 400000)
    log_in("Finance approver")

    page.goto(page_url(customer))
    card = page.locator("#entitlements")
    expect(card.get_by_text("850,000 of 1,250,000")).to_be_visible()
    stands_well(page)
    card.get_by_role("link", name="calls").click()
    expect(page.get_by_role("img", name="What was left fell from 1,250,000 to 850,000.")).to_be_visible()
    expect(page.get_by_text("No. 1: 400,000")).to_be_visible()
    stands_well(page)

    page.goto(page_url(feature.meter))
    expect(page.get_by_text("30 days up to today, UTC; 1 event")).to_be_visible()
    expect(page.locator(".ch-chart-bar")).to_have_count(1)
    stands_well(page)
    sample = '{"id": "2", "source": "app", "type": "usage", "subject": "acme", "data": {"amount": 7}}'
    page.get_by_label("Event").fill(sample)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="It would be taken")).to_be_visible()
    expect(page.get_by_role("cell", name="7", exact=True)).to_be_visible()
    stands_well(page)
    assert UsageEvent.objects.count() == 1

    # Unfold keeps the last list's filters for every later page of the same kind, scripts of calendars included.
    page.goto("/admin/entitlements/usageevent/")
    page.goto(page_url(UsageEvent.objects.get()))
    expect(page.get_by_role("cell", name="400000", exact=True)).to_be_visible()
    stands_well(page)
