"""Lists and the start page read as much as they show and count, however much there is: at 100,000 of each kind."""

from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.urls import get_resolver

from billing_site.backoffice.dashboard import _months
from core import clock
from customers.models import BillingApp
from invoicing.models import Invoice
from tests.support.api import Api, data
from tests.support.clock import at
from tests.support.house_at_size import NOW, make_house
from tests.support.plans import recorded_plans

ROWS = 100_000
# A count stops at 10,000; an order or a filter may pass over some rows on its way to a page.
READ_AT_MOST = 25_000


@pytest.fixture(scope="module")
def house(django_db_setup, django_db_blocker):
    """The full house, for all tests of this file; nothing of it stays."""
    with django_db_blocker.unblock(), transaction.atomic():
        app, _ = BillingApp.objects.get_or_create(type="bank_transfer", name="Transfers")
        yield make_house(ROWS, remote=app)
        transaction.set_rollback(True)


def lists():
    """Each list of the API that is no part of something else, with the orders that it offers."""
    for pattern in get_resolver("billing_site.rest.urls").url_patterns:
        for address, callback in _addresses(pattern, ""):
            if "<" not in address and "(" not in address and getattr(callback, "actions", {}).get("get") == "list":
                yield (
                    "/api/" + address.replace("^", "").replace("$", ""),
                    tuple(getattr(callback.cls, "order_by_fields", {})),
                )


def _addresses(pattern, before):
    address = before + str(pattern.pattern)
    if hasattr(pattern, "url_patterns"):
        for inner in pattern.url_patterns:
            yield from _addresses(inner, address)
    else:
        yield address, pattern.callback


# These show how far what is on the page has come, which is counted: as much as that has customers.
SHOW_PROGRESS = ("/api/v1/billing/profile-migrations", "/api/v1/billing/runs")
LISTS = [
    (path, order, direction)
    for path, orders in lists()
    if path not in SHOW_PROGRESS
    for order in orders or ("",)
    for direction in (("ASC", "DESC") if order else ("",))
]


@pytest.mark.parametrize(("path", "order", "direction"), LISTS)
def test_a_page_of_a_list_in_any_order_with_its_count_reads_little(house, db, path, order, direction):
    api = Api()
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        answer = api.get(f"{path}?{urlencode({'orderBy': order, 'order': direction} if order else {})}")
    assert answer.status_code == 200
    assert recorder.rows_read < READ_AT_MOST, recorder.seen


def test_the_events_of_one_subject_are_found_among_many(house, db):
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        answer = Api().get("/api/v1/notification/events?subject=c77")
    assert data(answer)["totalCount"] == 1
    assert recorder.rows_read < 100, recorder.seen


def test_the_start_page_reads_what_is_open_and_what_was_issued_this_month(house, db):
    with clock.frozen_at(NOW), recorded_plans(carried_out=True) as recorder:
        months = _months(NOW)
    assert len(recorder.seen) == 1
    month = Invoice.objects.filter(issued_at__gte=at("2026-04-01"), issued_at__lte=NOW)
    assert sum(found.count for found in months) == month.exclude(status="voided").count() > 1000
    assert recorder.rows_read <= month.count()


def test_the_count_is_exact_to_ten_thousand_and_leads_on_to_the_last_page(house, db):
    api = Api()

    def count(page, size=1000):
        found = data(api.get(f"/customers?page={page}&pageSize={size}"))
        return found["totalCount"], len(found["items"])

    assert count(1) == (10_001, 1000)
    assert count(10) == (10_001, 1000)
    assert count(11) == (11_001, 1000)
    assert count(100) == (100_001, 1000)
    assert count(101) == (100_001, 1)
    assert count(102) == (100_001, 0)
