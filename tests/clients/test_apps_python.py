"""Apps and what they know of customers, through the Python client."""

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from openmeter import models

from core.ids import to_text
from invoicing.payments.connect_stripe import install_stripe
from tests.support.customers import make_customer
from tests.support.fake_stripe import FakeStripe, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stripe_app(server, settings):
    fake = FakeStripe()
    fake.add_customer("cus_1")
    with running(fake) as address:
        settings.STRIPE_API_BASE = address
        app = install_stripe(name="Stripe EU", api_key="sk_test_0123456789abcdefXYZ", webhook_secret="whsec_1")
        yield to_text(app.pk)


def test_apps_are_listed_changed_and_uninstalled(client, stripe_app):
    page = client.apps.list()
    assert sorted(app["name"] for app in page.items_property) == ["Sandbox", "Stripe EU"]
    changed = client.apps.update(stripe_app, models.StripeAppReplaceUpdate(type="stripe", name="Stripe Europe"))
    assert changed["name"] == "Stripe Europe"
    client.app_stripe.update_stripe_api_key(
        stripe_app, models.StripeAPIKeyInput(secret_api_key="sk_test_a_newer_key_of_it")
    )
    assert client.apps.get(stripe_app)["maskedAPIKey"] == "sk_test_************_it"
    client.apps.uninstall(stripe_app)
    with pytest.raises(ResourceNotFoundError):
        client.apps.get(stripe_app)


def test_a_customer_s_apps(client, stripe_app):
    customer = to_text(make_customer().pk)
    other = to_text(make_customer(key="bolt", name="Bolt").pk)
    with pytest.raises(ResourceNotFoundError):
        client.customer_stripe.get(customer)
    with pytest.raises(HttpResponseError, match="Stripe has no customer cus_9"):
        client.customer_stripe.upsert(customer, models.StripeCustomerAppDataBase(stripe_customer_id="cus_9"))
    kept = client.customer_stripe.upsert(
        customer,
        models.StripeCustomerAppDataBase(stripe_customer_id="cus_1", stripe_default_payment_method_id="pm_1"),
    )
    assert (kept.stripe_customer_id, kept.stripe_default_payment_method_id) == ("cus_1", "pm_1")
    with pytest.raises(ResourceExistsError, match="cus_1 is Acme at Stripe EU already"):
        client.customer_apps.upsert_app_data(
            other, [models.StripeCustomerAppData(type="stripe", stripe_customer_id="cus_1")]
        )
    rows = client.customer_apps.upsert_app_data(
        customer,
        [
            models.StripeCustomerAppData(type="stripe", id=stripe_app, stripe_customer_id="cus_1"),
            models.SandboxCustomerAppData(type="sandbox"),
        ],
    )
    assert [row["type"] for row in rows] == ["stripe", "sandbox"]
    page = client.customer_apps.list_app_data(customer, type="stripe")
    assert [row["stripeCustomerId"] for row in page.items_property] == ["cus_1"]
    client.customer_apps.delete_app_data(customer, stripe_app)
    assert [row["type"] for row in client.customer_apps.list_app_data(customer).items_property] == ["sandbox"]
