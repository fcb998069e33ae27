"""Entitlements with the official JavaScript client, by subject as it addresses them, and by customer."""

import pytest

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]

ACME = {"name": "Acme", "key": "acme", "usageAttribution": {"subjectKeys": ["acme-eu"]}}
TOKENS = {"slug": "tokens", "aggregation": "SUM", "eventType": "prompt", "valueProperty": "$.tokens"}


def test_by_subject_and_by_customer(js):
    answer = js(
        """
        await openmeter.customers.create(input.acme)
        await openmeter.meters.create(input.tokens)
        await openmeter.features.create({ key: 'tokens', name: 'Tokens', meterSlug: 'tokens' })
        const entitlements = openmeter.entitlementsV1
        const usagePeriod = { interval: 'MONTH' }
        const monthly = { type: 'metered', featureKey: 'tokens', usagePeriod, issueAfterReset: 100 }
        const created = await entitlements.create('acme-eu', monthly)
        const twice = await entitlements.create('acme-eu', monthly).catch((error) => error.status)
        await openmeter.events.ingest({ id: '1', type: 'prompt', subject: 'acme-eu', data: { tokens: 30.5 } })
        const grant = await entitlements.grants.create('acme-eu', 'tokens', {
          amount: 20, effectiveAt: new Date(), expiration: { duration: 'MONTH', count: 1 }, priority: 2,
        })
        const value = await entitlements.value('acme-eu', 'tokens')
        const old = await openmeter.customers.entitlementsV1.value('acme', 'tokens')
        const v2 = await openmeter.customers.entitlements.value('acme', 'tokens')
        const history = await entitlements.history('acme-eu', created.id, { windowSize: 'DAY' })
        await entitlements.grants.void(grant.id)
        const left = await entitlements.grants.list('acme-eu', 'tokens')
        await entitlements.reset('acme-eu', created.id, { retainAnchor: true })
        const after = await entitlements.value('acme-eu', 'tokens')
        const bool = await entitlements.override('acme-eu', 'tokens', { type: 'boolean', featureKey: 'tokens' })
        await entitlements.delete('acme-eu', bool.id)
        return {
          created, twice, grant, value, old, v2, history, left, after, bool, all: await entitlements.list(),
          isDate: created.currentUsagePeriod.from instanceof Date,
        }
        """,
        acme=ACME,
        tokens=TOKENS,
    )
    assert (answer["created"]["subjectKey"], answer["created"]["issueAfterReset"], answer["isDate"]) == (
        "acme-eu",
        100,
        True,
    )
    assert answer["twice"] == 409
    assert (answer["grant"]["amount"], answer["grant"]["maxRolloverAmount"]) == (20, 0)
    value = {name: str(answer["value"][name]) for name in ("balance", "usage", "totalAvailableGrantAmount")}
    assert value == {"balance": "89.5", "usage": "30.5", "totalAvailableGrantAmount": "120"}
    assert answer["old"] == answer["value"]
    assert str(answer["v2"]["grantBalances"][answer["grant"]["id"]]) == "20"
    assert [str(window["usage"]) for window in answer["history"]["windowedHistory"]] == ["30.5"]
    assert [grant["amount"] for grant in answer["left"]] == [100]
    assert (answer["after"]["balance"], answer["bool"]["type"], answer["all"]) == (100, "boolean", [])
