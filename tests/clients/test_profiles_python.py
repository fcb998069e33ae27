"""Billing profiles and overrides through the Python client."""

import datetime

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from openmeter import models

from core.ids import to_text
from customers.models import BillingApp
from tests.support.catalog import make_excess_plan
from tests.support.closing import make_subscriber
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def body(server):
    app = to_text(BillingApp.objects.get().pk)
    return models.BillingProfileCreate(
        name="Enterprise",
        supplier=models.BillingParty(name="My company GmbH", addresses=[models.Address(country="DE", city="Berlin")]),
        default=False,
        workflow=models.BillingWorkflowCreate(
            collection=models.BillingWorkflowCollectionSettings(
                alignment=models.BillingWorkflowCollectionAlignmentAnchored(
                    type="anchored",
                    recurring_period=models.RecurringPeriodV2(
                        interval="MONTH", anchor=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
                    ),
                ),
                interval="P1D",
            ),
            invoicing=models.BillingWorkflowInvoicingSettings(auto_advance=False, draft_period="P1D", due_after="P45D"),
            payment=models.BillingWorkflowPaymentSettings(collection_method="send_invoice"),
        ),
        apps=models.BillingProfileAppsCreate(tax=app, invoicing=app, payment=app),
    )


def test_a_profile_is_created_read_changed_and_deleted(client, body):
    created = client.billing_profiles.create(body)
    assert (created.name, created.default, created.supplier.name) == ("Enterprise", False, "My company GmbH")
    assert created.workflow.invoicing.due_after == "P45D"
    assert created.workflow.collection.alignment["recurringPeriod"]["interval"] == "MONTH"
    read = client.billing_profiles.get(created.id, expand=["apps"])
    assert read.apps["payment"]["type"] == "sandbox"
    changed = client.billing_profiles.update(
        created.id,
        models.BillingProfileReplaceUpdateWithWorkflow(
            name="Contracts", supplier=created.supplier, default=True, workflow=created.workflow
        ),
    )
    assert (changed.name, changed.default, changed.workflow) == ("Contracts", True, created.workflow)
    page = client.billing_profiles.list(order_by="name")
    assert [(profile.name, profile.default) for profile in page.items_property] == [
        ("Contracts", True),
        ("Default", False),
    ]
    with pytest.raises(ResourceExistsError, match="is the default profile and stays"):
        client.billing_profiles.delete(created.id)
    client.billing_profiles.delete(page.items_property[1].id)
    with pytest.raises(ResourceNotFoundError):
        client.billing_profiles.delete(page.items_property[1].id)


def test_customers_are_pinned_listed_and_unpinned(client, body):
    profile = client.billing_profiles.create(body)
    customer = to_text(make_customer().pk)
    make_customer(key="bolt", name="Bolt")
    pinned = client.customer_overrides.upsert(
        customer, models.BillingProfileCustomerOverrideCreate(billing_profile_id=profile.id)
    )
    assert pinned.customer_override.billing_profile_id == pinned.base_billing_profile_id == profile.id
    assert pinned.customer_profile.workflow.invoicing.due_after == "P45D"
    page = client.customer_overrides.list(billing_profile=[profile.id], expand=["customer"])
    assert [item.customer.name for item in page.items_property] == ["Acme"]
    page = client.customer_overrides.list(
        customers_without_pinned_profile=True, expand=["customer"], order_by="customerName", order="ASC"
    )
    assert [item.customer.name for item in page.items_property] == ["Bolt"]
    client.customer_overrides.delete(customer)
    read = client.customer_overrides.get(customer, expand=["apps"])
    assert read.customer_override is None
    assert read.customer_profile.apps["payment"]["name"] == "Sandbox"
    with pytest.raises(HttpResponseError, match="There is no such billing profile"):
        client.customer_overrides.upsert(
            customer, models.BillingProfileCustomerOverrideCreate(billing_profile_id="01G65Z755AFWAKHE12NY0CQ9FH")
        )


def test_customers_are_listed_by_every_filter(client, body):
    """Acme and Cord are pinned to Enterprise, Bolt to the default, Dune to none."""
    standard = client.billing_profiles.list().items_property[0].id
    profile = client.billing_profiles.create(body).id
    ids = {
        name: to_text(make_customer(key=f"{name.lower()}-key", name=name, primary_email=f"pay@{name}.example").pk)
        for name in ("Acme", "Bolt", "Cord", "Dune")
    }
    for name, to in (("Acme", profile), ("Bolt", standard), ("Cord", profile)):
        client.customer_overrides.upsert(ids[name], models.BillingProfileCustomerOverrideCreate(billing_profile_id=to))

    def names(**query):
        page = client.customer_overrides.list(
            **({"order_by": "customerName", "order": "ASC", "expand": ["customer"]} | query)
        )
        return " ".join([str(page.total_count), *(item.customer.name for item in page.items_property)])

    everyone = {"include_all_customers": True}
    assert names() == "3 Acme Bolt Cord"
    assert names(**everyone) == "4 Acme Bolt Cord Dune"
    assert names(customers_without_pinned_profile=True) == "1 Dune"
    assert names(billing_profile=[profile]) == "2 Acme Cord"
    assert names(billing_profile=[profile, standard]) == "3 Acme Bolt Cord"
    assert names(billing_profile=[standard], **everyone) == "2 Bolt Dune"
    assert names(customer_id=[ids["Dune"], ids["Acme"]], **everyone) == "2 Acme Dune"
    assert names(customer_name="UN", **everyone) == "1 Dune"
    assert names(customer_key="bolt-", **everyone) == "1 Bolt"
    assert names(customer_primary_email="cord.EXAMPLE", **everyone) == "1 Cord"
    assert names(order_by="customerKey", order="DESC", **everyone) == "4 Dune Cord Bolt Acme"
    assert names(page=2, page_size=1) == "3 Bolt"


def test_the_default_is_switched_and_what_can_not_be_is_refused(client, body):
    customer = to_text(make_subscriber(make_excess_plan()).pk)
    old = client.billing_profiles.list().items_property[0]
    bank = to_text(BillingApp.objects.create(type="bank_transfer", name="Bank").pk)
    body.apps, body.default = models.BillingProfileAppsCreate(tax=bank, invoicing=bank, payment=bank), True
    made = client.billing_profiles.create(body)
    assert [profile.default for profile in client.billing_profiles.list(order_by="name").items_property] == [
        False,
        True,
    ]
    kept = client.customer_overrides.get(customer)
    assert kept.customer_override.billing_profile_id == old.id
    with pytest.raises(ResourceExistsError, match="Make another one the default first"):
        client.billing_profiles.delete(made.id)
    with pytest.raises(ResourceExistsError, match="1 customer is pinned to it"):
        client.billing_profiles.delete(old.id)
    body.apps.tax = to_text(BillingApp.objects.get(type="sandbox").pk)
    with pytest.raises(HttpResponseError, match="A profile has one app"):
        client.billing_profiles.create(body)
    with pytest.raises(ResourceNotFoundError):
        client.billing_profiles.get("01G65Z755AFWAKHE12NY0CQ9FH")
    with pytest.raises(ResourceNotFoundError):
        client.customer_overrides.delete(to_text(make_customer(key="bolt", name="Bolt").pk))
