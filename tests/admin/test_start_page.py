"""The start page and the search over everything."""

from datetime import timedelta

import pytest

from core import clock
from core.ids import to_text
from customers.models import CustomerAppData
from invoicing.models import Invoice, ParkedCustomer
from tests.services.test_addons import make_addon
from tests.support.closing import START, make_draft, make_issued
from tests.support.customers import make_customer
from tests.support.desk import Desk, page_url

pytestmark = pytest.mark.django_db

SEARCH = "/admin/search/?extended=1&s="


def tiles(desk):
    return {tile.label: tile.count for tile in desk.get("/admin/").context["tiles"]}


def test_an_unpaid_invoice_is_counted_until_it_is_overdue(clerk):
    make_issued(decline=True, due_after="P5D")
    with clock.frozen_at(START + timedelta(days=1)):
        assert tiles(clerk) == {
            "Overdue": 0,
            "Due in 7 days": 1,
            "Payment failed": 1,
            "Given back": 0,
            "To approve": 0,
            "Failed steps": 0,
            "Parked": 0,
        }
    with clock.frozen_at(START + timedelta(days=6)):
        counted = tiles(clerk)
    assert (counted["Overdue"], counted["Due in 7 days"]) == (1, 0)


def test_each_tile_leads_to_a_list_of_as_many(clerk):
    invoice = make_issued(decline=True, due_after="P5D")
    ParkedCustomer.objects.create(customer=invoice.customer, cause_code="x", cause="X.")
    with clock.frozen_at(START + timedelta(days=6)):
        for tile in clerk.get("/admin/").context["tiles"]:
            assert clerk.get(tile.url).context["cl"].result_count == tile.count, tile.label


def test_a_draft_waits_for_approval_on_the_start_page(clerk):
    make_draft()
    assert tiles(clerk)["To approve"] == 1


def test_the_month_adds_up_each_currency_apart(clerk):
    make_issued(decline=True)
    with clock.frozen_at(START + timedelta(days=1)):
        [month] = clerk.get("/admin/").context["months"]
    assert (month.currency, month.count, str(month.total), str(month.due)) == ("EUR", 1, "50.00", "50.00")
    with clock.frozen_at(START + timedelta(days=30)):
        assert clerk.get("/admin/").context["months"] == []


def test_the_next_periods_to_close_are_shown(clerk):
    make_issued()
    with clock.frozen_at(START + timedelta(days=25)):
        [closing] = clerk.get("/admin/").context["closings"]
    assert (str(closing.day), closing.count) == ("2026-04-17", 1)


def test_who_has_no_role_sees_no_money(db):
    desk = Desk("Auditor")
    make_issued()
    desk.user.groups.clear()
    page = desk.read("/admin/")
    assert "Issued this month" not in page
    assert "EUR" not in page


@pytest.mark.parametrize("term", ["INV-000001", "inv-000001", "50.00", "50"])
def test_an_invoice_is_found_by_number_and_by_exact_amount(clerk, term):
    make_issued()
    assert "INV-000001" in clerk.read(SEARCH + term)


@pytest.mark.parametrize("term", ["north", "NW-1", "pay@north.example", "cus_123"])
def test_a_customer_is_found_by_name_key_mail_and_provider_id(clerk, term):
    customer = make_customer(key="nw-1", name="Northwest", primary_email="pay@north.example")
    app = make_issued().app
    CustomerAppData.objects.create(customer=customer, app=app, external_id="cus_123")
    assert "Northwest" in clerk.read(SEARCH + term)


@pytest.mark.parametrize("term", ["support", "SUPPORT", "Sup"])
def test_an_addon_is_found_by_key_and_by_the_start_of_its_name(clerk, term):
    assert page_url(make_addon()) in clerk.read(SEARCH + term)


def test_a_row_is_found_by_its_id_the_moment_it_is_made(clerk):
    assert "No results" in clerk.read(SEARCH + "INV-000001")
    invoice = make_issued()
    assert "INV-000001" in clerk.read(SEARCH + "INV-000001")
    assert "INV-000001" in clerk.read(SEARCH + to_text(invoice.pk))


def test_the_search_shows_only_what_the_role_may_read(db):
    desk = Desk("Auditor")
    make_issued()
    desk.user.groups.clear()
    assert "INV-000001" not in desk.read(SEARCH + "INV-000001")
    assert Invoice.objects.filter(number="INV-000001").exists()
