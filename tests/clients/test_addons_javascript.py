"""Add-ons through the JavaScript client: published, offered by a plan, bought, ended."""

import pytest

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

FEE = {"type": "flat_fee", "billingCadence": "P1M"}
PLAN = {
    "key": "team",
    "name": "Team",
    "currency": "EUR",
    "billingCadence": "P1M",
    "phases": [
        {
            "key": "main",
            "name": "Main",
            "duration": None,
            "rateCards": [{**FEE, "key": "base", "name": "Base", "price": {"type": "flat", "amount": "50.00"}}],
        }
    ],
}
SUPPORT = {
    "key": "support",
    "name": "Support",
    "currency": "EUR",
    "instanceType": "multiple",
    "rateCards": [{**FEE, "key": "support", "name": "Support", "price": {"type": "flat", "amount": "30.00"}}],
}


def test_an_addon_is_published_offered_bought_and_ended(js):
    answer = js(
        """
        const setClock = async (now) => {
          const headers = { Authorization: `Bearer ${process.env.API_KEY}`, 'Content-Type': 'application/json' }
          const url = `${process.env.BASE_URL}/api/v1/test-clock`
          let clock = await (await fetch(url, { method: 'PUT', headers, body: JSON.stringify({ now }) })).json()
          while (clock.status !== 'ready') {
            await new Promise((resolve) => setTimeout(resolve, 100))
            clock = await (await fetch(url, { headers })).json()
          }
        }
        await setClock('2026-04-01T00:00:00Z')
        const plan = await openmeter.plans.create(input.plan)
        await openmeter.plans.publish(plan.id)
        const draft = await openmeter.addons.create(input.addon)
        const addon = await openmeter.addons.publish(draft.id)
        const offer = await openmeter.plans.addons.create(plan.id, { addonId: addon.id, fromPlanPhase: 'main' })
        const customer = await openmeter.customers.create({ name: 'Acme', key: 'acme', currency: 'EUR' })
        const { id } = await openmeter.subscriptions.create({ customerId: customer.id, plan: { key: 'team' } })
        await setClock('2026-04-16T00:00:00Z')
        const bought = await openmeter.subscriptionAddons.create(id, {
          name: 'Support', quantity: 2, timing: 'immediate', addon: { id: addon.id },
        })
        const ended = await openmeter.subscriptionAddons.update(id, bought.id, {
          quantity: 0, timing: 'next_billing_cycle',
        })
        const listed = await openmeter.subscriptionAddons.list(id)
        const offers = await openmeter.plans.addons.list(plan.id)
        const refusal = await openmeter.subscriptionAddons
          .create(id, { name: 'Again', quantity: 1, timing: 'immediate', addon: { id: addon.id } })
          .catch((error) => ({ status: error.status, message: error.message }))
        await setClock('2026-05-01T00:00:00Z')
        const page = await openmeter.billing.invoices.list({
          customers: [customer.id], statuses: ['issued', 'paid'], orderBy: 'issuedAt', order: 'ASC', expand: ['lines'],
        })
        return { draft, addon, offer, bought, ended, listed, offers, refusal, invoices: page.items }
        """,
        plan=PLAN,
        addon=SUPPORT,
    )
    assert (answer["draft"]["status"], answer["addon"]["status"]) == ("draft", "active")
    assert answer["offer"]["addon"]["key"] == "support"
    assert [offer["fromPlanPhase"] for offer in answer["offers"]["items"]] == ["main"]
    assert (answer["bought"]["quantity"], answer["bought"]["activeFrom"]) == (2, "2026-04-16T00:00:00.000Z")
    assert [segment["quantity"] for segment in answer["ended"]["timeline"]] == [2, 0]
    assert [purchase["id"] for purchase in answer["listed"]] == [answer["bought"]["id"]]
    assert answer["refusal"]["status"] == 409
    assert "Change the quantity of that purchase" in answer["refusal"]["message"]
    assert [invoice["totals"]["total"] for invoice in answer["invoices"]] == ["50.00", "30.00", "50.00"]
    assert answer["invoices"][1]["lines"][0]["explain"]["basis"]["price"]["addon"] == "support"
