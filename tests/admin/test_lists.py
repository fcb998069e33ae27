"""Lists: a constant number of queries, no count of a huge table, search by what staff know."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_site.access.models import ApiKey
from billing_site.access.services.create_api_key import create_api_key
from core import clock
from core.admin import paginator, search
from core.audit.models import AuditEntry
from core.ids import to_text
from core.notifications.models import Channel, Delivery, Rule
from core.notifications.services.save_channel import create_channel
from core.notifications.services.save_rule import create_rule
from core.notifications.services.try_rule import try_rule
from core.outbox.models import OutboxMessage
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride, Supplier
from entitlements.models import Entitlement, Feature, Grant, Meter, UsageEvent
from invoicing.models import (
    BalanceEntry,
    BillingRun,
    CreditNote,
    Invoice,
    NumberSeries,
    ParkedCustomer,
    Payment,
    TaxRate,
)
from subscriptions.models import Coupon, Plan, Subscription
from tests.support.catalog import make_excess_plan, make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import make_many
from tests.support.customers import enterprise, make_customer
from tests.support.desk import list_url, page_url
from tests.support.entitlements import entitle

pytestmark = pytest.mark.django_db


def queries(desk, url):
    ContentType.objects.clear_cache()
    with CaptureQueriesContext(connection) as captured:
        desk.read(url)
    return len(captured)


def grow(plan, first, count):
    """`count` more rows of every kind of list."""
    for invoice in make_many(count, plan, first=first):
        ParkedCustomer.objects.get_or_create(customer=invoice.customer, cause_code="no_price", cause="No price.")
        CustomerOverride.objects.get_or_create(customer=invoice.customer, billing_profile=invoice.profile)
    for number in range(first, first + count):
        event = {"type": "call", "subject": "acme", "time": at("2026-03-17")}
        UsageEvent.objects.create(source="app", external_id=str(number), **event)
        enterprise(name=f"Profile {number}")
        create_api_key(name=f"Key {number}", scopes=["*"])
        Coupon.objects.create(code=f"SAVE{number}", percentage=10)
        feature = make_feature(key=f"feature_{number}", meter=make_meter(key=f"meter_{number}"))
        entitle(make_customer(key=f"entitled-{number}", name="Entitled"), feature_key=feature.key)
        channel, _ = create_channel(name=f"Channel {number}", url="https://hooks.example.com/")
        try_rule(rule=create_rule(type="invoice.created", name=f"Rule {number}", channel_ids=[channel.pk]))
        OutboxMessage.objects.create(topic="email", payload={"to": "a@b.example", "subject": "Hello"})
        Plan.objects.create(key=f"plan_{number}", name="Plan", currency="EUR")


LISTS = [
    Customer, Subscription, Invoice, Payment, BillingRun, ParkedCustomer, Plan, Coupon, Feature, Meter, UsageEvent,
    BalanceEntry, CreditNote, TaxRate, BillingProfile, CustomerOverride, Supplier, BillingApp, NumberSeries,
    AuditEntry, OutboxMessage, ApiKey, Channel, Rule, Delivery, Entitlement, Grant,
]  # fmt: skip


def test_no_list_asks_more_for_thirty_rows_than_for_three(billing_admin):
    plan = make_excess_plan()
    urls = [list_url(model) for model in LISTS]
    urls += [f"{list_url(Invoice)}?state=gathering", "/admin/"]
    grow(plan, 0, 3)
    few = {url: queries(billing_admin, url) for url in urls}
    grow(plan, 3, 27)
    assert {url: queries(billing_admin, url) for url in urls} == few
    plain = [url for url in urls if "gathering" not in url and url != "/admin/"]
    assert {url: few[url] for url in plain if few[url] > 12} == {}


def test_the_pages_of_customer_invoice_subscription_run_and_plan_ask_a_fixed_number(billing_admin):
    plan = make_excess_plan()
    make_many(3, plan)

    def pages():
        invoice = Invoice.objects.filter(issued_at__isnull=False).order_by("number").first()
        subscription = Subscription.objects.filter(customer=invoice.customer).get()
        run = BillingRun.objects.first()
        return {obj._meta.label: queries(billing_admin, page_url(obj)) for obj in (invoice, subscription, run, plan)}

    few = pages()
    make_many(27, plan, first=3)
    assert pages() == few
    assert max(few.values()) <= 18


def test_a_huge_table_is_counted_up_to_the_cap_only(clerk, monkeypatch):
    monkeypatch.setattr(paginator, "LIMIT", 3)
    for number in range(5):
        make_customer(key=f"customer-{number}", name=f"Customer {number}")
    with CaptureQueriesContext(connection) as captured:
        page = clerk.read(list_url(Customer))
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "customers_customer" in query["sql"]]
    assert "more than 3 customers" in page
    assert len(counts) == 1
    assert "LIMIT 4" in counts[0]


@pytest.mark.parametrize("model", [Entitlement, UsageEvent])
def test_no_list_counts_what_each_choice_of_a_filter_has(clerk, model):
    entitle(make_customer(), feature_key=make_feature(meter=make_meter()).key)
    UsageEvent.objects.create(source="app", external_id="1", type="call", subject="acme", time=clock.now())
    for query in ("", "?_facets=True"):
        page = clerk.read(f"{list_url(model)}{query}")
        assert "Show counts" not in page
        assert "Hide counts" not in page


def test_a_list_that_is_counted_in_full_says_so(clerk):
    make_customer()
    page = clerk.read(list_url(Customer))
    assert "1 customer" in page
    assert "more than" not in page


@pytest.mark.parametrize("term", ["Nor", "north-1", "north-", "pay@north.example", "west Trading"])
def test_a_customer_is_found_by_the_start_of_what_is_known_or_by_words_within(clerk, term):
    make_customer(key="north-1", name="Northwest Trading", primary_email="pay@north.example")
    make_customer(key="south-1", name="Southern Cross", primary_email="pay@south.example")
    page = clerk.read(f"{list_url(Customer)}?q={term}")
    assert "Northwest Trading" in page
    assert "Southern Cross" not in page


def test_a_search_that_matches_too_many_says_so(clerk, monkeypatch):
    monkeypatch.setattr(search, "MAX_FOUND", 2)
    for number in range(3):
        make_customer(key=f"north-{number}", name=f"North {number}")
    assert "not all are shown: type more." in clerk.read(f"{list_url(Customer)}?q=north")
    assert "not all are shown" not in clerk.read(f"{list_url(Customer)}?q=north-1")


def test_a_row_is_found_by_its_id(clerk):
    customer = make_customer(name="Northwest Trading")
    make_customer(key="other", name="Southern Cross")
    page = clerk.read(f"{list_url(Customer)}?q={to_text(customer.pk)}")
    assert "Northwest Trading" in page
    assert "Southern Cross" not in page


def test_no_form_has_a_dropdown_of_customers(billing_admin):
    make_customer(name="Northwest Trading")
    page = billing_admin.read("/admin/customers/customerappdata/add/")
    assert "admin-autocomplete" in page
    assert "Northwest Trading" not in page


def test_an_empty_list_says_that_there_is_nothing_yet_or_that_nothing_matches(clerk):
    page = clerk.get("/admin/invoicing/creditnote/").content.decode()
    assert "There are no credit notes yet." in page
    page = clerk.get("/admin/invoicing/creditnote/?q=BWC-000009").content.decode()
    assert "No credit notes match." in page
    assert 'href="?">Show all' in page


def test_a_list_that_begins_with_some_says_that_the_others_are_elsewhere(clerk):
    parked = ParkedCustomer.objects.create(customer=make_customer(), cause_code="no_price", cause="No price.")
    page = " ".join(clerk.read("/admin/invoicing/parkedcustomer/?state=released").split())
    assert "No parked customers match." in page
    parked.released_at = clock.now()
    parked.save()
    page = " ".join(clerk.read("/admin/invoicing/parkedcustomer/").split())
    assert "The list begins with those that are “Parked now”; choose another state" in page
    assert "There are no parked customers yet." not in page
