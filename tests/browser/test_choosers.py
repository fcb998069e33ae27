"""Countries, currencies and time zones are chosen by typing, in a real browser and by the keyboard alone."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from customers.models import Customer
from tests.support.customers import make_default_profile

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def choose(page, name, typed, option):
    """Open the list by the keyboard, search it, take what is found."""
    field = page.locator(f"[name={name}] + .select2 .select2-selection")
    field.focus()
    page.keyboard.press("Enter")
    page.locator(".select2-search__field").fill(typed)
    expect(page.get_by_role("option", name=option, exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(field).to_contain_text(option)


def test_a_customer_is_added_by_the_names_of_places(page, log_in):
    make_default_profile()
    log_in("Finance clerk")
    page.goto(reverse("admin:customers_customer_add"))
    page.locator("[name=name]").fill("Acme")
    choose(page, "currency", "swiss", "CHF – Swiss Franc")
    choose(page, "time_zone", "vienna", "Europe/Vienna")
    choose(page, "country", "austri", "Austria (AT)")
    page.locator("[name=tax_id]").fill("ATU13585626")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("ATU13585626 is not a tax id of Austria").first).to_be_visible()
    page.locator("[name=tax_id]").fill("ATU 13585627")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Acme").first).to_be_visible()
    customer = Customer.objects.get()
    assert (customer.currency, customer.time_zone, customer.country) == ("CHF", "Europe/Vienna", "AT")
    assert customer.tax_id == "ATU13585627"
