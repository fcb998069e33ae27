"""Add-ons at the finance desk: what they cost, which plans offer them, who has bought them. To read only."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions.models import AddOn
from tests.services.test_addons import buy, make_addon, offered
from tests.support.catalog import flat_plan
from tests.support.customers import make_customer
from tests.support.desk import list_url, page_url
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def test_the_page_of_an_addon_shows_prices_in_words_its_plans_and_its_buyers(clerk):
    subscription = subscribe(flat_plan("basic", "50.00"))
    addon = offered(subscription, most=5)
    buy(subscription, addon, quantity=3)
    page = clerk.read(page_url(addon))
    for text in ("support, version 1 · EUR · bought in any quantity", "30.00 EUR a month, in advance", "Basic v1"):
        assert text in page
    assert page_url(subscription.plan) in page
    assert page_url(subscription) in page
    assert '<span class="ch-money">5</span>' in page
    assert '<span class="ch-money">3</span>' in page


def test_the_list_shows_drafts_and_what_is_on_sale(clerk):
    make_addon()
    make_addon(key="backup", name="Backup", effective_from=None)
    make_addon(key="old", name="Fax", effective_to="2021-01-01T00:00:00Z")
    page = clerk.read(list_url(AddOn))
    assert ("Support" in page, "Backup" in page, "Fax" in page) == (True, True, False)


def test_more_buyers_cost_no_more_queries(clerk):
    plan = flat_plan("basic", "50.00")
    first = subscribe(plan)
    addon = offered(first)
    buy(first, addon)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            clerk.read(page_url(addon))
        return len(captured)

    clerk.read(page_url(addon))
    before = queries()
    for key in ("b", "c", "d"):
        buy(subscribe(plan, customer=make_customer(key=key, name=key)), addon)
    assert queries() == before


def test_nobody_edits_an_addon_by_form(billing_admin):
    addon = make_addon()
    assert billing_admin.post(page_url(addon), {"name": "Mine"}).status_code == 403
    assert billing_admin.get(f"{list_url(AddOn)}add/").status_code == 403
