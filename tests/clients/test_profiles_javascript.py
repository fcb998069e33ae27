"""Billing profiles and overrides through the JavaScript client: what the seed of the enterprise set-up calls."""

import pytest

from core.ids import to_text
from customers.models import BillingApp
from tests.make import make_customer

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


def test_an_enterprise_customer_is_pinned(js):
    app = to_text(BillingApp.objects.get().pk)
    customer = to_text(make_customer().pk)
    make_customer(key="bolt", name="Bolt")
    answer = js(
        """
        const profile = await openmeter.billing.profiles.create({
          name: 'Enterprise', default: false, supplier: { name: 'My company GmbH' },
          apps: { tax: input.app, invoicing: input.app, payment: input.app },
          workflow: {
            invoicing: { autoAdvance: true, dueAfter: 'P30D' },
            payment: { collectionMethod: 'send_invoice' },
          },
        })
        const override = await openmeter.billing.customers.createOverride(
          input.customer, { billingProfileId: profile.id },
        )
        const read = await openmeter.billing.customers.getOverride(input.customer)
        const listed = await openmeter.billing.customers.listOverrides({ billingProfile: [profile.id] })
        const everyone = await openmeter.billing.customers.listOverrides({ includeAllCustomers: true })
        const refusal = await openmeter.billing.profiles.delete(profile.id).catch((error) => error.message)
        const renamed = await openmeter.billing.profiles.update(profile.id, { ...profile, name: 'Contracts' })
        await openmeter.billing.customers.deleteOverride(input.customer)
        await openmeter.billing.profiles.delete(profile.id)
        const left = await openmeter.billing.profiles.list()
        return { profile, override, read, listed, everyone, refusal, renamed, left }
        """,
        app=app,
        customer=customer,
    )
    assert answer["override"]["customerOverride"]["billingProfileId"] == answer["profile"]["id"]
    assert answer["override"]["customerProfile"]["workflow"]["payment"]["collectionMethod"] == "send_invoice"
    assert answer["read"] == answer["override"]
    assert [row["customerOverride"]["customerId"] for row in answer["listed"]["items"]] == [customer]
    assert answer["everyone"]["totalCount"] == 2
    assert "1 customer is pinned to it" in answer["refusal"]
    assert (answer["renamed"]["name"], answer["renamed"]["workflow"]) == ("Contracts", answer["profile"]["workflow"])
    assert [row["name"] for row in answer["left"]["items"]] == ["Default"]
