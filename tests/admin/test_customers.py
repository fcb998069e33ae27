"""The customer's page and form, and pins."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.audit.models import AuditEntry
from core.errors import PreconditionFailed
from customers.models import Customer, CustomerOverride
from customers.services.record_pin import record_pin
from customers.services.record_unpin import record_unpin
from invoicing.models import Invoice, ParkedCustomer
from tests.support.closing import make_draft, make_issued
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.desk import list_url, page_url, said

pytestmark = pytest.mark.django_db

FORM = {
    "name": "Acme GmbH",
    "key": "acme",
    "description": "",
    "primary_email": "pay@acme.example",
    "currency": "eur",
    "time_zone": "Europe/Berlin",
    "tax_id": "DE 136 695 976",
    "subjects": "acme, acme-eu",
    "line1": "Main Street 1",
    "line2": "",
    "postal_code": "10115",
    "city": "Berlin",
    "state": "",
    "country": "de",
    "phone_number": "",
    "change_reason": "Taken over from the old system",
}


def test_the_address_names_the_country(clerk):
    customer = make_customer(country="SG", city="Singapore", postal_code="048623", state="Central")
    assert "Central, Singapore<br>" in clerk.read(page_url(customer))


def test_the_page_shows_everything_that_finance_asks_for(clerk):
    invoice = make_issued(decline=True)
    customer = invoice.customer
    CustomerOverride.objects.create(customer=customer, due_after="P45D")
    ParkedCustomer.objects.create(customer=customer, cause_code="no_price", cause="Base fee has no price.")
    page = clerk.read(page_url(customer))
    for text in (
        "Parked since",
        "Base fee has no price.",
        "Open in EUR",
        "INV-000001",
        "Payment failed",
        "Effective settings",
        "45 days",
        "override",
        "default profile",
        "subscribed Acme to Storage",
    ):
        assert text in page, text


def test_the_page_asks_twelve_queries_at_most_those_of_every_page_included(clerk):
    customer = make_issued().customer
    with CaptureQueriesContext(connection) as captured:
        clerk.read(page_url(customer))
    assert len(captured) <= 12


def test_what_is_owed_so_far_comes_after_the_page(clerk, auditor):
    customer = make_issued().customer
    url = reverse("admin:customers_customer_gathering", args=[customer.pk])
    assert f'hx-get="{url}"' in clerk.read(page_url(customer))
    assert '50.00 <span class="ch-currency">EUR</span>' in clerk.read(url)
    assert auditor.get(url).status_code == 200


def test_a_customer_is_added_through_the_form(clerk):
    response = clerk.post(reverse("admin:customers_customer_add"), FORM, follow=True)
    customer = Customer.objects.get()
    assert response.redirect_chain[-1][0] == page_url(customer)
    assert (customer.name, customer.currency, customer.country) == ("Acme GmbH", "EUR", "DE")
    assert list(customer.usage_subjects.values_list("key", flat=True)) == ["acme", "acme-eu"]
    entry = AuditEntry.objects.get()
    assert (entry.sentence, entry.reason) == (
        "Clerk created the customer Acme GmbH.",
        "Taken over from the old system",
    )


def test_a_change_is_recorded_with_its_reason_and_values(clerk):
    customer = make_customer(metadata={"crm": "42"})
    clerk.post(reverse("admin:customers_customer_edit", args=[customer.pk]), FORM)
    customer.refresh_from_db()
    assert (customer.name, customer.metadata) == ("Acme GmbH", {"crm": "42"})
    entry = AuditEntry.objects.get(verb="customer.updated")
    assert entry.reason == "Taken over from the old system"
    assert entry.changes["name"] == ["Acme", "Acme GmbH"]


def test_what_a_service_refuses_is_said_on_the_form_which_keeps_what_was_typed(clerk):
    make_customer(key="other", name="Other", subjects=("acme-eu",))
    response = clerk.post(reverse("admin:customers_customer_add"), FORM)
    page = response.content.decode()
    assert response.status_code == 200
    assert "The subject acme-eu belongs to another customer." in page
    assert 'value="Acme GmbH"' in page
    assert Customer.objects.count() == 1
    assert AuditEntry.objects.count() == 0


def test_wrong_fields_are_named(clerk):
    wrong = FORM | {"currency": "XYZ", "time_zone": "Mars/Base"}
    page = clerk.post(reverse("admin:customers_customer_add"), wrong).content.decode()
    assert "Not a currency of ISO 4217" in page
    assert Customer.objects.count() == 0


def test_a_customer_with_open_business_is_not_deleted(clerk):
    customer = make_issued().customer
    response = clerk.do(customer, "delete", reason="Asked for it")
    customer.refresh_from_db()
    assert said(response)[0].startswith("Acme has 1 running subscription")
    assert customer.deleted_at is None


def test_a_customer_without_business_is_deleted_softly(clerk):
    customer = make_customer()
    assert said(clerk.do(customer, "delete", reason="Duplicate")) == ["Acme is deleted. Their invoices stay."]
    customer.refresh_from_db()
    assert customer.deleted_at is not None
    assert AuditEntry.objects.get(verb="customer.deleted").reason == "Duplicate"


def test_a_pin_is_recorded_with_its_reason_and_shown_as_origin(clerk):
    customer, profile = make_customer(), enterprise()
    response = clerk.do(customer, "pin", profile=str(profile.pk), reason="Signed PO 4711")
    assert said(response) == ["Acme is pinned to “Enterprise”. Open drafts keep their terms."]
    entry = AuditEntry.objects.get(verb="customer.pinned")
    assert (entry.sentence, entry.reason) == ("Clerk pinned Acme to “Enterprise”.", "Signed PO 4711")
    assert entry.customer_id == customer.pk
    page = clerk.read(page_url(customer))
    assert "pin: Enterprise" in page
    assert "45 days" in page


def test_a_pin_leaves_an_open_draft_on_its_terms(clerk):
    draft = make_draft()
    clerk.do(draft.customer, "pin", profile=str(enterprise().pk), reason="New contract")
    before = Invoice.objects.values().get(pk=draft.pk)
    assert before["workflow_snapshot"]["values"]["due_after"] == "P30D"
    assert before["profile_id"] == make_default_profile().pk


def test_pinning_twice_records_once_and_unpinning_goes_back(db):
    customer, profile = make_customer(), enterprise()
    for _ in range(2):
        record_pin(customer=customer, profile=profile, reason="Contract")
    assert AuditEntry.objects.filter(verb="customer.pinned").count() == 1
    for _ in range(2):
        record_unpin(customer=customer, reason="Contract ended")
    assert CustomerOverride.objects.get().billing_profile is None
    assert AuditEntry.objects.get(verb="customer.unpinned").sentence == "Countinghouse unpinned Acme from “Enterprise”."


def test_nobody_is_pinned_to_an_archived_profile(db):
    profile = enterprise(archived_at="2026-01-01T00:00Z")
    with pytest.raises(PreconditionFailed, match=r"is archived\. Acme stays where it is"):
        record_pin(customer=make_customer(), profile=profile, reason="Contract")
    assert CustomerOverride.objects.count() == 0


def test_many_are_pinned_at_once_with_the_result_of_each(clerk):
    profile = enterprise()
    customers = [make_customer(key=f"c{number}", name=f"Customer {number}") for number in range(3)]
    chosen = {"action": "pin", "_selected_action": [str(customer.pk) for customer in customers]}
    assert "Pin to profile: 3 of 3 customers?" in clerk.post(list_url(Customer), chosen).content.decode()
    assert CustomerOverride.objects.count() == 0
    answers = {"confirmed": "yes", "profile": str(profile.pk), "reason": "Moved to contracts"}
    assert "3 of 3 done" in clerk.post(list_url(Customer), chosen | answers).content.decode()
    assert CustomerOverride.objects.filter(billing_profile=profile).count() == 3
    assert AuditEntry.objects.filter(verb="customer.pinned", reason="Moved to contracts").count() == 3
