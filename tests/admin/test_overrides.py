"""The list of overrides and pins: it shows them, and leads to where they are changed with the effect in view."""

import pytest
from django.urls import reverse

from customers.models import CustomerOverride
from tests.support.customers import enterprise, make_customer
from tests.support.desk import Desk, list_url, page_url, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(db):
    """Acme is pinned, Bolt has a setting of their own, Crux was unpinned and has nothing left."""
    profile = enterprise()
    acme = CustomerOverride.objects.create(customer=make_customer(), billing_profile=profile)
    bolt = CustomerOverride.objects.create(customer=make_customer(key="bolt", name="Bolt"), due_after="P60D")
    CustomerOverride.objects.create(customer=make_customer(key="crux", name="Crux"))
    return acme, bolt


def test_who_has_a_pin_or_settings_of_their_own_is_listed(clerk, rows):
    page = clerk.read(list_url(CustomerOverride))
    assert "Acme" in page
    assert "due after: 60 days" in page
    assert "Crux" not in page


@pytest.mark.parametrize(("has", "shown", "hidden"), [("pin", "Acme", "Bolt"), ("own", "Bolt", "Acme")])
def test_the_list_is_narrowed_to_either(clerk, rows, has, shown, hidden):
    page = clerk.read(f"{list_url(CustomerOverride)}?has={has}")
    assert shown in page
    assert hidden not in page


def test_a_row_leads_to_the_settings_of_the_customer(clerk, rows):
    acme, _ = rows
    settings = reverse("admin:customers_customer_settings", args=[acme.customer_id])
    response = clerk.get(page_url(acme))
    assert (response.status_code, response.headers["Location"]) == (302, settings)
    assert "Change own settings" in clerk.read(settings)


@pytest.mark.parametrize("role", ["Finance clerk", "Finance approver", "Billing admin", "Auditor"])
def test_no_role_changes_terms_by_a_form_that_shows_no_effect(rows, role):
    desk, (acme, bolt) = Desk(role), rows
    answers = {"customer": str(acme.customer_id), "due_after": "P90D"}
    assert desk.post(reverse("admin:customers_customeroverride_add"), answers).status_code == 403
    assert desk.post(page_url(bolt), answers).status_code == 302
    assert desk.post(reverse("admin:customers_customeroverride_delete", args=[bolt.pk])).status_code == 403
    assert list(CustomerOverride.objects.order_by("created_at").values_list("due_after", flat=True)) == [
        None,
        "P60D",
        None,
    ]


def test_where_nothing_is_left_there_is_nothing_to_remove(clerk, rows):
    customer = CustomerOverride.objects.get(customer__key="crux").customer
    assert said(clerk.do(customer, "remove-override", reason="x")) == ["There is nothing to remove."]
    bolt = CustomerOverride.objects.get(customer__key="bolt").customer
    assert said(clerk.do(bolt, "remove-override", reason="x"))[0].startswith("Bolt has nothing of their own any more")
