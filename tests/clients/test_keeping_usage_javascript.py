"""A customer moves up and down between plans in mid-period and keeps what was used, through the JavaScript client.

Billing rules 9: 3 of 50,000 are used, then 549,997 of 550,000 are left in the same period; what is scheduled is seen,
taken back and scheduled again; usage is 0 at the reset. A threshold that was told before the change is not told again
for the same crossing, and one that was not reached counts the usage from before it.
"""

import json
import time
from ipaddress import ip_network

import pytest

from core.notifications.signing import signature
from core.notifications.tasks import deliver_webhooks
from entitlements.notices.tasks import tell_entitlements
from tests.support.endpoint import listening

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]


def plan(key, amount, fee):
    cards = [
        {
            "type": "usage_based",
            "key": "api_credits",
            "name": "API credits",
            "featureKey": "api_credits",
            "billingCadence": "P1M",
            "price": None,
            "entitlementTemplate": {"type": "metered", "issueAfterReset": amount, "usagePeriod": "P1M"},
        }
    ]
    if fee:
        price = {"type": "flat", "amount": fee, "paymentTerm": "in_advance"}
        cards.append({"type": "flat_fee", "key": "base", "name": "Base", "billingCadence": "P1M", "price": price})
    phase = {"key": "main", "name": "Main", "duration": None, "rateCards": cards}
    return {"key": key, "name": key.title(), "currency": "EUR", "billingCadence": "P1M", "phases": [phase]}


CLOCK = """
const headers = { Authorization: `Bearer ${process.env.API_KEY}`, 'Content-Type': 'application/json' }
const setClock = async (now) => {
  const url = `${process.env.BASE_URL}/api/v1/test-clock`
  let clock = await (await fetch(url, { method: 'PUT', headers, body: JSON.stringify({ now }) })).json()
  while (clock.status !== 'ready') {
    await new Promise((resolve) => setTimeout(resolve, 100))
    clock = await (await fetch(url, { headers })).json()
  }
}
const publish = async (plan) => openmeter.plans.publish((await openmeter.plans.create(plan)).id)
await setClock('2026-04-01T00:00:00Z')
await openmeter.meters.create({
  slug: 'api_credits', name: 'API credits', eventType: 'api.call', aggregation: 'SUM', valueProperty: '$.credits',
})
const { id: featureId } = await openmeter.features.create({
  key: 'api_credits', name: 'API credits', meterSlug: 'api_credits',
})
await publish(input.free)
await publish(input.starter)
const customer = await openmeter.customers.create({
  name: 'Acme', key: 'acme', currency: 'EUR', usageAttribution: { subjectKeys: ['acme'] },
})
const use = (id, time, credits) => openmeter.events.ingest({
  specversion: '1.0', id, source: 'test', type: 'api.call', subject: 'acme', time: new Date(time), data: { credits },
})
const value = async () => {
  const { hasAccess, usage, balance, overage, totalAvailableGrantAmount: total } =
    await openmeter.customers.entitlementsV1.value('acme', 'api_credits')
  return { hasAccess, usage, balance, overage, total }
}
const period = async () => {
  const entitlement = await openmeter.customers.entitlements.get('acme', 'api_credits')
  return [entitlement.currentUsagePeriod.from, entitlement.currentUsagePeriod.to]
}
const current = async () => {
  const page = await openmeter.customers.listSubscriptions('acme', { status: ['active', 'canceled'] })
  return page.items.map((subscription) => subscription.plan?.key)
}
"""

NOTICES = """
const channel = await openmeter.notifications.channels.create({
  type: 'WEBHOOK', name: 'Usage', url: input.endpoint, customHeaders: { 'X-Team': 'usage' },
})
const rule = async (type, more = {}) => openmeter.notifications.rules.create({
  type, name: type, channels: [channel.id], features: ['api_credits'], ...more,
})
"""

APRIL = ["2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z"]
MAY = ["2026-05-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"]
JUNE = ["2026-06-01T00:00:00.000Z", "2026-07-01T00:00:00.000Z"]


def has(usage, balance, total, *, overage=0, access=True):
    return {"hasAccess": access, "usage": usage, "balance": balance, "overage": overage, "total": total}


def test_an_upgrade_keeps_the_usage_and_a_downgrade_waits_for_the_next_cycle(js):
    answer = js(
        CLOCK
        + """
        const said = {}
        const { id: free } = await openmeter.subscriptions.create({ customerId: customer.id, plan: { key: 'free' } })
        await setClock('2026-04-10T00:00:00Z')
        await use('e1', '2026-04-09T12:00:00Z', 3)
        said.before = [await current(), await period(), await value()]
        const up = await openmeter.subscriptions.change(free, { plan: { key: 'starter' }, timing: 'immediate' })
        said.changed = up.next.plan.key
        said.after = [await current(), await period(), await value()]
        said.override = await openmeter.customers.entitlements
          .override('acme', 'api_credits', { type: 'metered', featureId, usagePeriod: { interval: 'MONTH' } })
          .catch((error) => [error.status, error.message])
        await setClock('2026-05-02T00:00:00Z')
        said.reset = [await current(), await period(), await value()]
        await use('e2', '2026-05-01T12:00:00Z', 60000)
        const down = { plan: { key: 'free' }, timing: 'next_billing_cycle' }
        const scheduled = await openmeter.subscriptions.change(up.next.id, down)
        said.scheduled = [scheduled.next.plan.key, scheduled.next.activeFrom, await current(), await value()]
        await openmeter.subscriptions.unscheduleCancelation(up.next.id)
        said.unscheduled = (await openmeter.customers.listSubscriptions('acme', {})).items.map(
          (subscription) => [subscription.plan?.key, subscription.status],
        )
        await openmeter.subscriptions.change(up.next.id, down)
        said.again = [await current(), await value()]
        await setClock('2026-06-02T00:00:00Z')
        said.down = [await current(), await period(), await value()]
        const page = await openmeter.billing.invoices.list({
          customers: [customer.id], statuses: ['issued', 'paid'], orderBy: 'issuedAt', order: 'ASC',
        })
        said.invoices = page.items.map((invoice) => invoice.totals.total)
        return said
        """,
        free=plan("free", 50000, None),
        starter=plan("starter", 550000, "30.00"),
    )
    assert "error" not in answer, answer
    assert answer["before"] == [["free"], APRIL, has(3, 49997, 50000)]
    assert answer["changed"] == "starter"
    assert answer["after"] == [["starter"], APRIL, has(3, 549997, 550000)]
    assert answer["override"][0] == 403
    assert "change" in answer["override"][1]
    assert "edit" in answer["override"][1]
    assert answer["reset"] == [["starter"], MAY, has(0, 550000, 550000)]
    assert answer["scheduled"] == [
        "free",
        "2026-06-01T00:00:00.000Z",
        ["starter"],
        has(60000, 490000, 550000),
    ]
    assert ["free", "scheduled"] not in answer["unscheduled"]
    assert ["starter", "active"] in answer["unscheduled"]
    assert answer["again"] == [["starter"], has(60000, 490000, 550000)]
    assert answer["down"] == [["free"], JUNE, has(0, 50000, 50000)]
    # 30.00 a month from 10 April, of which 21 of 30 days are left in April: 21.00; then May.
    assert answer["invoices"] == ["21.00", "30.00"]


def test_reset_starts_anew_and_a_downgrade_at_once_shows_what_is_over(js):
    answer = js(
        CLOCK
        + """
        const said = {}
        const { id: starter } = await openmeter.subscriptions.create({
          customerId: customer.id, plan: { key: 'starter' },
        })
        await setClock('2026-04-10T00:00:00Z')
        await use('e1', '2026-04-09T12:00:00Z', 60000)
        said.before = await value()
        const down = await openmeter.subscriptions.change(starter, { plan: { key: 'free' }, timing: 'immediate' })
        said.down = [await period(), await value()]
        await openmeter.subscriptions.change(down.next.id, {
          plan: { key: 'starter' }, timing: 'immediate', usage: 'reset',
        })
        said.anew = await value()
        await setClock('2026-04-12T00:00:00Z')
        await use('e2', '2026-04-11T12:00:00Z', 5)
        said.used = await value()
        return said
        """,
        free=plan("free", 50000, None),
        starter=plan("starter", 550000, "30.00"),
    )
    assert "error" not in answer, answer
    assert answer["before"] == has(60000, 490000, 550000)
    assert answer["down"] == [APRIL, has(60000, 0, 50000, overage=10000, access=False)]
    assert answer["anew"] == has(0, 550000, 550000)
    assert answer["used"] == has(5, 549995, 550000)


@pytest.fixture
def endpoint(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with listening() as endpoint:
        yield endpoint


def tick():
    """What beat has done every five seconds."""
    tell_entitlements()
    deliver_webhooks()


def received(endpoint, secret):
    """What the endpoint was sent since the last time, once its signature and time were checked, in the order of ids."""
    found = []
    for headers, body in endpoint.received:
        sent_at, message_id = int(headers["webhook-timestamp"]), headers["webhook-id"]
        assert abs(time.time() - sent_at) < 300
        assert headers["webhook-signature"] == signature(secret, message_id=message_id, timestamp=sent_at, body=body)
        event = json.loads(body)
        assert (event["id"], headers["x-team"]) == (message_id, "usage")
        found.append(event)
    endpoint.received.clear()
    return sorted(found, key=lambda event: event["id"])


def test_notices_of_thresholds_go_on_across_a_change_of_plan(js, endpoint):
    thresholds = [{"type": "usage_percentage", "value": 80}, {"type": "usage_value", "value": 540}]
    begun = js(
        CLOCK
        + NOTICES
        + """
        await rule('entitlements.balance.threshold', { thresholds: input.thresholds })
        await rule('entitlements.reset')
        const { id } = await openmeter.subscriptions.create({ customerId: customer.id, plan: { key: 'free' } })
        await setClock('2026-04-10T00:00:00Z')
        await use('e1', '2026-04-09T12:00:00Z', 450)
        return { subscription: id, secret: channel.signingSecret }
        """,
        free=plan("free", 500, None),
        starter=plan("starter", 550, "30.00"),
        endpoint=endpoint.url,
        thresholds=thresholds,
    )
    assert "error" not in begun, begun
    secret = begun["secret"]
    tick()
    [told] = received(endpoint, secret)  # 450 of 500 is 90 %
    assert (told["type"], told["data"]["threshold"]) == ("entitlements.balance.threshold", thresholds[0])
    assert told["data"]["value"] == {
        "hasAccess": True,
        "balance": 50,
        "usage": 450,
        "overage": 0,
        "totalAvailableGrantAmount": 500,
    }
    assert told["data"]["customer"]["key"] == "acme"

    changed = js(
        """
        const up = await openmeter.subscriptions.change(input.subscription, {
          plan: { key: 'starter' }, timing: 'immediate',
        })
        return up.next.plan.key
        """,
        subscription=begun["subscription"],
    )
    assert changed == "starter"
    tick()
    assert received(endpoint, secret) == []  # 450 of 550 is 81.8 %: the same crossing

    answer = js(
        """
        await openmeter.events.ingest({
          specversion: '1.0', id: 'e2', source: 'test', type: 'api.call', subject: 'acme',
          time: new Date('2026-04-09T18:00:00Z'), data: { credits: 91 },
        })
        """
    )
    assert answer is None
    tick()
    [told] = received(endpoint, secret)  # 450 before the change and 91 after it are above 540
    assert told["data"]["threshold"] == thresholds[1]
    assert (told["data"]["value"]["usage"], told["data"]["value"]["balance"]) == (541, 9)

    js(
        """
        const headers = { Authorization: `Bearer ${process.env.API_KEY}`, 'Content-Type': 'application/json' }
        await fetch(`${process.env.BASE_URL}/api/v1/test-clock`, {
          method: 'PUT', headers, body: JSON.stringify({ now: '2026-05-01T00:00:00Z' }),
        })
        """
    )
    tick()
    [told] = received(endpoint, secret)
    assert (told["type"], told["timestamp"]) == ("entitlements.reset", "2026-05-01T00:00:00Z")
    assert (told["data"]["value"]["usage"], told["data"]["value"]["balance"]) == (0, 550)
