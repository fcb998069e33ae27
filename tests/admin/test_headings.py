"""Each page names itself in one heading: where it is and, where something is done on it, what."""

import re

import pytest
from django.urls import reverse

from invoicing.models import TaxRate
from tests.admin.pages import text_of
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.desk import list_url, page_url, verb_url

pytestmark = pytest.mark.django_db


def heading(page):
    """The page's only h1, as it is read aloud."""
    (found,) = re.findall(r"<h1\b.*?</h1>", page, re.DOTALL)
    return text_of(re.sub(r'<span [^>]*aria-hidden="true">.*?</span>', ">", found))


def test_a_form_says_whether_it_adds_or_changes(billing_admin):
    rate = TaxRate.objects.create(name="VAT", country="DE", rate=19, valid_from=at("2026-01-01"))
    assert heading(billing_admin.read(list_url(TaxRate))) == "Invoicing > Tax rates"
    add = billing_admin.read(reverse("admin:invoicing_taxrate_add"))
    assert heading(add) == "Invoicing > Tax rates > Add tax rate"
    assert heading(billing_admin.read(page_url(rate))).endswith("> Change tax rate")
    # What is typed is not lost to a button beside it.
    assert f'href="{reverse("admin:invoicing_taxrate_add")}"' not in add


def test_a_list_is_called_what_the_menu_calls_it(billing_admin):
    sections = billing_admin.get("/admin/").context["sidebar_navigation"]
    entries = [(item["title"], str(item["link"])) for section in sections for item in section["items"]]
    lists = {title: url for title, url in entries if re.fullmatch(r"/admin/\w+/\w+/", url)}
    called = {title: heading(billing_admin.read(url)).rpartition(" > ")[2] for title, url in lists.items()}
    assert len(called) > 25
    assert called == {title: title for title in lists}


def test_the_name_of_an_object_stays_as_it_is_written(clerk):
    lower = make_customer(name="iron lantern")
    assert heading(clerk.read(page_url(lower))) == "Customers > Customers > iron lantern"


def test_a_page_that_asks_says_what_it_asks(billing_admin):
    acme = make_customer()
    assert heading(billing_admin.read(page_url(acme))) == "Customers > Customers > Acme"
    edit = reverse("admin:customers_customer_edit", args=[acme.pk])
    assert heading(billing_admin.read(edit)) == "Customers > Customers > Acme > Change customer"
    start = verb_url(acme, "start-subscription")
    assert heading(billing_admin.read(start)) == "Customers > Customers > Acme > Start a subscription"
    whose = billing_admin.read(reverse("admin:subscriptions_subscription_add"))
    assert heading(whose) == "Subscriptions > Subscriptions > Start a subscription"
    assert heading(billing_admin.read(reverse("admin:invoicing_billingrun_start"))).endswith("> Start a billing run")
