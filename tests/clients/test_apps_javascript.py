"""Apps and what they know of customers, through the JavaScript client."""

import pytest

from core.ids import to_text
from customers.models import BillingApp, CustomerAppData
from invoicing.payments.connect_stripe import install_stripe
from tests.support.customers import make_customer
from tests.support.fake_stripe import FakeStripe, running

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stripe_app(server, settings):
    fake = FakeStripe()
    fake.add_customer("cus_1")
    with running(fake) as address:
        settings.STRIPE_API_BASE = address
        yield install_stripe(name="Stripe EU", api_key="sk_test_0123456789abcdefXYZ", webhook_secret="whsec_1")


def test_apps_and_the_customers_of_stripe(js, stripe_app):
    customer = to_text(make_customer().pk)
    other = to_text(make_customer(key="bolt", name="Bolt").pk)
    answer = js(
        """
        const refusal = (promise) => promise.then(() => null, (error) => [error.status, error.message])
        const apps = await openmeter.apps.list()
        const renamed = await openmeter.apps.update(input.app, { type: 'stripe', name: 'Stripe Europe' })
        await openmeter.apps.stripe.updateApiKey(input.app, { secretAPIKey: 'sk_test_a_newer_key_of_it' })
        const read = await openmeter.apps.get(input.app)
        const refusals = {
          none: await refusal(openmeter.customers.stripe.get(input.customer)),
          unknown: await refusal(openmeter.customers.stripe.upsert(input.customer, { stripeCustomerId: 'cus_9' })),
        }
        const data = await openmeter.customers.stripe.upsert(
          input.customer, { stripeCustomerId: 'cus_1', stripeDefaultPaymentMethodId: 'pm_1' },
        )
        refusals.taken = await refusal(
          openmeter.customers.apps.upsert(input.other, [{ type: 'stripe', stripeCustomerId: 'cus_1' }]),
        )
        const upserted = await openmeter.customers.apps.upsert(
          input.customer, [{ type: 'stripe', id: input.app, stripeCustomerId: 'cus_1' }, { type: 'sandbox' }],
        )
        const listed = await openmeter.customers.apps.list(input.customer, { type: 'stripe' })
        const again = await openmeter.customers.stripe.get(input.customer)
        await openmeter.customers.apps.delete(input.customer, input.app)
        const left = await openmeter.customers.apps.list(input.customer)
        return { apps, renamed, read, refusals, data, upserted, listed, again, left }
        """,
        app=to_text(stripe_app.pk),
        customer=customer,
        other=other,
    )
    assert sorted(app["name"] for app in answer["apps"]["items"]) == ["Sandbox", "Stripe EU"]
    assert answer["renamed"]["name"] == "Stripe Europe"
    assert answer["read"]["maskedAPIKey"] == "sk_test_************_it"
    refusals = answer["refusals"]
    assert refusals["none"][0] == 404
    assert (refusals["unknown"][0], "Stripe has no customer cus_9" in refusals["unknown"][1]) == (400, True)
    assert (refusals["taken"][0], "cus_1 is Acme at Stripe Europe already" in refusals["taken"][1]) == (409, True)
    assert (answer["data"]["stripeCustomerId"], answer["data"]["stripeDefaultPaymentMethodId"]) == ("cus_1", "pm_1")
    assert [row["type"] for row in answer["upserted"]] == ["stripe", "sandbox"]
    assert [row["stripeCustomerId"] for row in answer["listed"]["items"]] == ["cus_1"]
    assert answer["again"] == answer["listed"]["items"][0]
    assert [row["type"] for row in answer["left"]["items"]] == ["sandbox"]
    assert not CustomerAppData.objects.filter(app=stripe_app).exists()
    assert BillingApp.objects.count() == 2
