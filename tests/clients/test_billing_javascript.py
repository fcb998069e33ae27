"""Subscriptions and invoices through the JavaScript client, on the test clock."""

import pytest

from invoicing.models import Invoice

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

ACME = {
    "name": "Acme",
    "key": "acme",
    "currency": "EUR",
    "primaryEmail": "billing@acme.example",
    "usageAttribution": {"subjectKeys": ["acme"]},
}
STORAGE = {
    "key": "storage",
    "name": "Storage",
    "currency": "EUR",
    "billingCadence": "P1M",
    "phases": [
        {
            "key": "main",
            "name": "Main",
            "duration": None,
            "rateCards": [
                {
                    "type": "flat_fee",
                    "key": "base",
                    "name": "Up to 500 GB",
                    "billingCadence": "P1M",
                    "price": {"type": "flat", "amount": "50.00", "paymentTerm": "in_advance"},
                },
                {
                    "type": "usage_based",
                    "key": "excess",
                    "name": "Excess",
                    "featureKey": "excess",
                    "billingCadence": "P1M",
                    "price": {"type": "package", "amount": "1.00", "quantityPerPackage": "25"},
                },
            ],
        }
    ],
}

# What the client has no call for: our extensions.
OURS = """
const call = async (method, path, body) => {
  const answer = await fetch(`${process.env.BASE_URL}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${process.env.API_KEY}`, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}
const setClock = async (now) => {
  let clock = await call('PUT', '/test-clock', { now })
  while (clock.status !== 'ready') {
    await new Promise((resolve) => setTimeout(resolve, 100))
    clock = await call('GET', '/test-clock')
  }
  return clock
}
const issued = async (customerId) => {
  const page = await openmeter.billing.invoices.list({
    customers: [customerId], statuses: ['issued', 'paid'], orderBy: 'issuedAt', order: 'ASC', expand: ['lines'],
  })
  return page.items
}
await setClock('2026-03-17T00:00:00Z')
await openmeter.features.create({ key: 'excess', name: 'Excess storage' })
const plan = await openmeter.plans.create(input.plan)
await openmeter.plans.publish(plan.id)
const customer = await openmeter.customers.create(input.customer)
const subscription = await openmeter.subscriptions.create({ customerId: customer.id, plan: { key: 'storage' } })
"""


@pytest.fixture
def story(js):
    return lambda statements: js(OURS + statements, plan=STORAGE, customer=ACME)


def test_two_items_one_bill(story):
    """Billing rules 4: 50.00 on 17 March, 58.00 on 17 April, and a third close changes nothing."""
    answer = story(
        """
        const bought = await issued(customer.id)
        await setClock('2026-04-16T22:00:00Z')
        const before = await issued(customer.id)
        const reported = await call('PUT', `/subscriptions/${subscription.id}/items/2`, {
          productId: 'excess', quantity: '200', updateAction: 'update',
        })
        await setClock('2026-04-17T00:00:00Z')
        const closed = await issued(customer.id)
        await setClock('2026-04-17T12:00:00Z')
        const again = await issued(customer.id)
        return { bought, before, reported, closed, again, dates: closed.map((i) => i.issuedAt instanceof Date) }
        """
    )
    assert [invoice["totals"]["total"] for invoice in answer["bought"]] == ["50.00"]
    assert answer["before"] == answer["bought"]
    assert answer["reported"] == {
        "amountDueNow": "0.00",
        "amountAtNextBilling": "58.00",
        "nextBillingDate": "2026-04-17T00:00:00Z",
        "currency": "EUR",
    }
    closed = answer["closed"]
    assert [(invoice["number"], invoice["totals"]["total"], invoice["status"]) for invoice in closed] == [
        ("INV-000001", "50.00", "paid"),
        ("INV-000002", "58.00", "paid"),
    ]
    assert [(line["name"], line["totals"]["total"], line["period"]["from"]) for line in closed[1]["lines"]] == [
        ("Up to 500 GB", "50.00", "2026-04-17T00:00:00.000Z"),
        ("Excess", "8.00", "2026-03-17T00:00:00.000Z"),
    ]
    assert answer["dates"] == [True, True]
    assert answer["again"] == closed
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2


def test_a_subscription_is_read_back_whole(story):
    answer = story(
        """
        const read = await openmeter.subscriptions.get(subscription.id)
        const listed = await openmeter.customers.listSubscriptions('acme', { status: ['active'] })
        const later = await openmeter.subscriptions.create({
          customerKey: 'acme', timing: new Date('2026-05-01T00:00:00Z'),
          customPlan: { name: 'Support', currency: 'EUR', billingCadence: 'P1M', phases: [{
            key: 'main', name: 'Main', duration: null, rateCards: [{
              type: 'flat_fee', key: 'support', name: 'Support', billingCadence: 'P1M',
              price: { type: 'flat', amount: '9.00' } }] }] },
        })
        await openmeter.subscriptions.delete(later.id)
        return { created: subscription, read, listed, later }
        """
    )
    created, read = answer["created"], answer["read"]
    assert {name: read[name] for name in created} == created
    assert [item["runningNumber"] for item in read["phases"][0]["items"]] == [1, 2]
    assert read["alignment"]["currentAlignedBillingPeriod"]["to"] == "2026-04-17T00:00:00.000Z"
    assert [subscription["id"] for subscription in answer["listed"]["items"]] == [created["id"]]
    assert (answer["later"]["status"], answer["later"]["name"]) == ("scheduled", "Support")


def test_pending_lines_are_invoiced_and_an_invoice_is_simulated(story):
    answer = story(
        """
        const [gathering] = (await openmeter.billing.invoices.list({ statuses: ['gathering'] })).items
        const simulated = await openmeter.billing.invoices.simulate(customer.id, {
          currency: 'EUR',
          lines: [{
            name: 'Excess', quantity: '201', invoiceAt: new Date('2026-04-17T00:00:00Z'),
            period: { from: new Date('2026-03-17T00:00:00Z'), to: new Date('2026-04-17T00:00:00Z') },
            rateCard: { price: { type: 'package', amount: '1.00', quantityPerPackage: '25' } },
          }],
        })
        const refusal = await openmeter.billing.invoices
          .invoicePendingLines({ customerId: customer.id })
          .catch((error) => ({ status: error.status, message: error.message }))
        const [paid] = await issued(customer.id)
        const one = await openmeter.billing.invoices.get(paid.id)
        return { gathering, simulated, refusal, one }
        """
    )
    assert answer["gathering"]["number"].startswith("GATHER-")
    assert answer["simulated"]["totals"]["total"] == "9.00"
    assert answer["refusal"]["status"] == 400
    assert "Acme has nothing to invoice as of 2026-03-17 00:00 UTC." in answer["refusal"]["message"]
    assert [line["name"] for line in answer["one"]["lines"]] == ["Up to 500 GB"]


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ("openmeter.subscriptions.create({ customerId: customer.id, plan: { key: 'none' } })", 400, "no plan none"),
        (
            "openmeter.subscriptions.create({ customerKey: 'acme', plan: { key: 'storage' } })",
            409,
            "already has excess",
        ),
        (
            "openmeter.subscriptions.create({ customerKey: 'acme', plan: { key: 'storage' }, timing: 'soon' })",
            400,
            "timing",
        ),
        ("openmeter.subscriptions.delete(subscription.id)", 412, "cancel it instead"),
        ("openmeter.billing.invoices.get('01G65Z755AFWAKHE12NY0CQ9FH')", 404, "There is no invoice"),
    ],
)
def test_a_refusal_says_what_is_wrong(story, call, status, said):
    error = story(f"return {call}")["error"]
    assert error["status"] == status
    assert said in error["message"]


def test_a_subscription_is_changed_canceled_kept_and_migrated(story):
    """From 50.00 a month to 110.00 after 15 of 31 days: 56.77 - 25.81; then the rest of the life of a subscription."""
    answer = story(
        """
        const [card] = input.plan.phases[0].rateCards
        const rich = { ...input.plan, key: 'rich', name: 'Rich', phases: [{ ...input.plan.phases[0],
          rateCards: [{ ...card, price: { ...card.price, amount: '110.00' } }] }] }
        const draft = await openmeter.plans.create(rich)
        await openmeter.plans.publish(draft.id)
        await setClock('2026-04-01T00:00:00Z')
        const body = { timing: 'immediate', plan: { key: 'rich' } }
        const preview = await call('POST', `/subscriptions/${subscription.id}/preview-change`, body)
        const changed = await openmeter.subscriptions.change(subscription.id, body)
        const id = changed.next.id
        const canceled = await openmeter.subscriptions.cancel(id, { timing: 'next_billing_cycle' })
        const kept = await openmeter.subscriptions.unscheduleCancelation(id)
        const second = await openmeter.plans.create({ ...rich, name: 'Richer' })
        await openmeter.plans.publish(second.id)
        const migrated = await openmeter.subscriptions.migrate(id, { timing: 'next_billing_cycle' })
        const invoices = await issued(customer.id)
        return { preview, changed, canceled, kept, migrated, invoices, isDate: canceled.activeTo instanceof Date }
        """
    )
    preview, changed, migrated = answer["preview"], answer["changed"], answer["migrated"]
    assert (preview["creditAmount"], preview["chargeAmount"], preview["dueNow"]) == ("25.81", "56.77", "30.96")
    assert [invoice["totals"]["total"] for invoice in answer["invoices"]] == ["50.00", "30.96"]
    assert (changed["current"]["status"], changed["next"]["plan"]["key"]) == ("inactive", "rich")
    assert [phase["key"] for phase in changed["next"]["phases"]] == ["main"]
    assert (answer["canceled"]["status"], answer["canceled"]["activeTo"]) == ("canceled", "2026-04-17T00:00:00.000Z")
    assert (answer["kept"]["status"], answer["isDate"]) == ("active", True)
    assert (migrated["current"]["status"], migrated["next"]["status"]) == ("canceled", "scheduled")
    assert migrated["next"]["plan"]["version"] == 2


def test_the_terms_of_a_subscription_are_edited(story):
    """50.00 a month becomes 110.00 after 15 of 31 days: 56.77 - 25.81 = 30.96; the rest is planned and taken back."""
    answer = story(
        """
        await setClock('2026-04-01T00:00:00Z')
        const [card] = input.plan.phases[0].rateCards
        const price = { ...card.price, amount: '110.00' }
        const dearer = { op: 'add_item', phaseKey: 'main', rateCard: { ...card, price } }
        const body = { timing: 'immediate', customizations: [dearer] }
        const preview = await call('POST', `/subscriptions/${subscription.id}/preview-change`, body)
        const edited = await openmeter.subscriptions.edit(subscription.id, body)
        await openmeter.subscriptions.edit(subscription.id, {
          timing: 'next_billing_cycle', customizations: [{ op: 'remove_item', phaseKey: 'main', itemKey: 'base' }],
        })
        await openmeter.subscriptions.edit(subscription.id, { customizations: [{ op: 'unschedule_edit' }] })
        const refusal = await openmeter.subscriptions
          .edit(subscription.id, { customizations: [{ op: 'remove_item', phaseKey: 'main', itemKey: 'none' }] })
          .catch((error) => ({ status: error.status, message: error.message }))
        await setClock('2026-04-17T00:00:00Z')
        const read = await openmeter.subscriptions.get(subscription.id)
        return { preview, edited, refusal, read, invoices: await issued(customer.id) }
        """
    )
    preview, refusal = answer["preview"], answer["refusal"]
    assert (preview["creditAmount"], preview["chargeAmount"], preview["dueNow"]) == ("25.81", "56.77", "30.96")
    assert (answer["edited"]["plan"]["key"], answer["edited"]["status"]) == ("storage", "active")
    assert (refusal["status"], "has no item none then" in refusal["message"]) == (400, True)
    assert [invoice["totals"]["total"] for invoice in answer["invoices"]] == ["50.00", "30.96", "110.00"]
    items = answer["read"]["phases"][0]["items"]
    assert [(item["key"], item["price"]["amount"]) for item in items if item["key"] == "base"] == [("base", "110.00")]


def test_a_subscription_ends_at_once_and_gives_back_what_was_not_used(story):
    """16 of 31 days of 50.00 are 25.81: a credit note to the balance."""
    answer = story(
        """
        await setClock('2026-04-01T00:00:00Z')
        const ended = await openmeter.subscriptions.cancel(subscription.id, { timing: 'immediate' })
        const refusal = await openmeter.subscriptions
          .unscheduleCancelation(subscription.id)
          .catch((error) => ({ status: error.status, message: error.message }))
        const balance = await call('GET', `/customers/${customer.id}/balance`)
        return { ended, refusal, balance }
        """
    )
    assert (answer["ended"]["status"], answer["ended"]["activeTo"]) == ("inactive", "2026-04-01T00:00:00.000Z")
    assert answer["refusal"]["status"] == 412
    assert answer["balance"] == {"balance": "25.81", "currency": "EUR"}
