"""What is typed at the finance desk is kept as it was meant, or refused: nothing is cut, nothing guessed."""

import pytest
from django.urls import reverse

from core.audit.models import AuditEntry
from customers.models import Customer, Supplier
from invoicing.models import Payment, TaxRate
from subscriptions.models import Coupon
from tests.admin.test_customers import FORM
from tests.support.closing import make_issued
from tests.support.customers import make_customer
from tests.support.desk import page_url, verb_url

pytestmark = pytest.mark.django_db

SUPPLIER = {
    "name": "Acme Austria GmbH",
    "key": "acme_at",
    "tax_id": "ATU13585627",
    "email": "",
    "invoice_prefix": "AT",
    "credit_note_prefix": "ATCN",
    "country": "AT",
    "change_reason": "",
} | dict.fromkeys(("line1", "line2", "postal_code", "city", "state", "phone_number"), "")


def errors(response, field):
    form = response.context.get("adminform") or response.context["form"]
    return " ".join(getattr(form, "form", form).errors.get(field, []))


def add(desk, **answers):
    return desk.post(reverse("admin:customers_customer_add"), FORM | answers)


def edit(desk, customer, **answers):
    form = FORM | {"key": customer.key, "subjects": customer.key, "country": customer.country} | answers
    return desk.post(reverse("admin:customers_customer_edit", args=[customer.pk]), form)


@pytest.mark.parametrize("country", ["Austria", "Au stria", "XX", "EU", "A"])
def test_a_country_that_is_not_in_the_list_is_refused_and_never_cut(clerk, country):
    response = add(clerk, country=country)
    assert f"“{country}” is not a country of the list" in errors(response, "country")
    assert not Customer.objects.exists()


def test_countries_currencies_and_zones_are_chosen_by_their_names(clerk):
    page = clerk.read(reverse("admin:customers_customer_add"))
    for text in (
        "Austria (AT)",
        "Australia (AU)",
        "EUR – Euro",
        '<option value="America/New_York"',
        "unfold-admin-auto",
    ):
        assert text in page, text
    assert 'maxlength="2"' not in page


@pytest.mark.parametrize(("field", "value"), [("currency", "EURO"), ("currency", "XXX"), ("time_zone", "Vienna")])
def test_a_currency_or_zone_that_is_not_in_the_list_is_refused(clerk, field, value):
    assert value in errors(add(clerk, **{field: value}), field)
    assert not Customer.objects.exists()


def test_a_tax_id_that_is_none_is_refused_at_its_field(clerk):
    response = add(clerk, tax_id="DE12")
    assert "DE12 is not a tax id of Germany" in errors(response, "tax_id")
    assert not Customer.objects.exists()


def test_an_eu_number_is_kept_without_its_gaps(clerk):
    add(clerk, tax_id="de 136 695 976")
    assert Customer.objects.get().tax_id == "DE136695976"


def test_an_old_customer_can_be_changed_without_mending_what_was_not_touched(clerk):
    customer = make_customer(tax_id="DE12", country="XX")
    page = clerk.read(reverse("admin:customers_customer_edit", args=[customer.pk]))
    assert "XX – not a known country" in page and "DE12 is not a tax id" in page
    response = edit(clerk, customer, tax_id="DE12", currency="EUR", city="Bonn")
    customer.refresh_from_db()
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert (customer.city, customer.tax_id, customer.country) == ("Bonn", "DE12", "XX")
    assert "DE13 is not a tax id" in errors(edit(clerk, customer, tax_id="DE13", currency="EUR"), "tax_id")


def test_a_supplier_is_checked_the_same_way_and_saved_by_the_service(billing_admin):
    url = reverse("admin:customers_supplier_add")
    assert "not a tax id" in errors(billing_admin.post(url, SUPPLIER | {"tax_id": "ATU1"}), "tax_id")
    assert "not a country of the list" in errors(billing_admin.post(url, SUPPLIER | {"country": "Austria"}), "country")
    # A prefix as REST would refuse it, too.
    assert "Capital letters" in " ".join(
        billing_admin.post(url, SUPPLIER | {"invoice_prefix": "at x"}).context["adminform"].form.non_field_errors()
    )
    assert not Supplier.objects.filter(key="acme_at").exists()
    billing_admin.post(url, SUPPLIER)
    supplier = Supplier.objects.get(key="acme_at")
    assert (supplier.country, supplier.tax_id) == ("AT", "ATU13585627")
    assert AuditEntry.objects.filter(verb="supplier.created", target_id=supplier.pk).exists()


def test_a_tax_rate_is_for_a_country_of_the_list(billing_admin):
    form = {
        "name": "VAT",
        "country": "Austria",
        "region": "",
        "category": "",
        "rate": "20",
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00",
        "valid_to_0": "",
        "valid_to_1": "",
        "change_reason": "",
    }
    url = reverse("admin:invoicing_taxrate_add")
    assert "not a country of the list" in errors(billing_admin.post(url, form), "country")
    # 1 February or 2 January: nobody knows.
    wrong = billing_admin.post(url, form | {"country": "AT", "valid_from_0": "01/02/2026"})
    assert "Enter a valid date" in errors(wrong, "valid_from")
    assert not TaxRate.objects.exists()
    billing_admin.post(url, form | {"country": "AT"})
    assert str(TaxRate.objects.get().valid_from.date()) == "2026-01-01"


def test_a_tax_rate_out_of_bounds_is_refused_beside_its_field(billing_admin):
    form = {"name": "VAT", "country": "AT", "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}
    ends = {"valid_to_0": "2025-12-31", "valid_to_1": "00:00"}
    url = reverse("admin:invoicing_taxrate_add")
    for rate in ("1900", "-1", "100.01"):
        refused = billing_admin.post(url, form | {"rate": rate})
        assert errors(refused, "rate") == "A tax rate is from 0 to 100 percent."
        assert "Constraint" not in refused.content.decode()
    refused = billing_admin.post(url, form | ends | {"rate": "20"})
    assert errors(refused, "valid_to") == "It begins on 1 Jan 2026 00:00 UTC, and ends only after that."
    assert "Constraint" not in refused.content.decode()
    assert not TaxRate.objects.exists()

    billing_admin.post(url, form | {"rate": "100"})
    stored = TaxRate.objects.get()
    # Its beginning is no field of this form any more.
    for day in ("2025-12-31", "2026-01-01"):
        refused = billing_admin.post(page_url(stored), {"name": "VAT", "valid_to_0": day, "valid_to_1": "00:00"})
        assert errors(refused, "valid_to") == "It begins on 1 Jan 2026 00:00 UTC, and ends only after that."
    stored.refresh_from_db()
    assert stored.valid_to is None


def test_a_coupon_lasts_at_least_one_period(billing_admin):
    form = {"code": "SAVE", "name": "Save", "percentage": "10", "periods": "0"}
    refused = billing_admin.post(reverse("admin:subscriptions_coupon_add"), form)
    assert errors(refused, "periods") == "Ensure this value is greater than or equal to 1."
    assert not Coupon.objects.exists()
    billing_admin.post(reverse("admin:subscriptions_coupon_add"), form | {"periods": "1"})
    assert Coupon.objects.get().periods == 1


@pytest.mark.parametrize("amount", ["1.000", "1,000", "20,00", "20.000"])
def test_an_amount_that_may_be_a_thousand_times_more_is_not_guessed(clerk, amount):
    invoice = make_issued(decline=True)
    form = {"amount": amount, "received_on": "2026-03-18", "reference": "x", "reason": ""}
    response = clerk.post(verb_url(invoice, "record-payment"), form)
    assert errors(response, "amount")
    assert not Payment.objects.filter(reference="x").exists()
