"""Entitlements with the official Python client: create, check, grant, reset, override, void, delete."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from corehttp.exceptions import HttpResponseError, ResourceExistsError
from openmeter import models

from tests.clients.test_python import make_tokens_feature, use

pytestmark = pytest.mark.django_db(transaction=True)
UTC = ZoneInfo("UTC")


def test_a_metered_entitlement_from_its_creation_to_its_end(client):
    make_tokens_feature(client)
    client.customers.create(models.CustomerCreate(name="Acme", key="acme"))
    now = datetime.datetime.now(UTC)
    month = models.RecurringPeriodCreateInput(interval="MONTH", anchor=now - datetime.timedelta(days=3))
    terms = models.EntitlementMeteredV2CreateInputs(
        type="metered",
        feature_key="tokens",
        usage_period=month,
        measure_usage_from="CURRENT_PERIOD_START",
        issue=models.IssueAfterReset(amount=1000, priority=2),
        is_soft_limit=False,
        metadata={"team": "core"},
    )
    created = client.customer_entitlements_v2.post("acme", terms)
    # What may be of several types, the client hands over as it came.
    assert (created["type"], created["issue"]["amount"], created["isSoftLimit"]) == ("metered", 1000, False)
    assert created["currentUsagePeriod"]["from"] == created["lastReset"]
    with pytest.raises(ResourceExistsError):
        client.customer_entitlements_v2.post("acme", terms)

    client.events.ingest_events(
        [use(1, time=now - datetime.timedelta(days=2)), use(2, time=now, data={"tokens": 450.5, "model": "gpt-4"})]
    )
    entitled = client.customer_entitlement_v2
    earlier = entitled.get_customer_entitlement_value("acme", created["id"], time=now - datetime.timedelta(days=1))
    assert earlier.has_access is False  # it was not entitled to anything yet

    grant = entitled.create_customer_entitlement_grant(
        "acme",
        "tokens",
        models.EntitlementGrantCreateInputV2(
            amount=100.5,
            effective_at=now - datetime.timedelta(minutes=1),
            priority=1,
            expiration=models.ExpirationPeriod(duration="DAY", count=10),
            recurrence=models.RecurringPeriodCreateInput(interval="P1W"),
        ),
    )
    assert (grant.amount, grant.recurrence.interval_iso, grant.voided_at) == (100.5, datetime.timedelta(days=7), None)
    value = entitled.get_customer_entitlement_value("acme", created["id"])
    assert (value.has_access, value.usage, value.balance, value.overage) == (True, 550.5, 550, 0)
    assert value.total_available_grant_amount == 1100.5
    assert value.grant_balances[grant.id] == 0
    assert client.customer_entitlement.get_customer_entitlement_value("acme", "tokens").balance == 550
    assert client.customer.get_customer_access("acme").entitlements["tokens"].balance == 550

    history = entitled.get_customer_entitlement_history("acme", "tokens", window_size="DAY")
    assert sum(window.usage for window in history.windowed_history) == 550.5
    assert history.burndown_history[-1].balance_at_end == 550
    assert [each.id for each in entitled.get_grants("acme", "tokens").items_property[-1:]] == [grant.id]

    client.grants.delete(grant.id)
    assert entitled.get_customer_entitlement_value("acme", "tokens").balance == 550
    assert client.grants_v2.list(customer=["acme"], include_deleted=True).total_count == 2
    entitled.reset_customer_entitlement(
        "acme", "tokens", models.ResetEntitlementUsageInput(retain_anchor=True, preserve_overage=False)
    )
    assert entitled.get_customer_entitlement_value("acme", "tokens").balance == 1000

    static = models.EntitlementStaticCreateInputs(type="static", feature_key="tokens", config='{"limit": 5}')
    overridden = client.customer_entitlements_v2.override("acme", "tokens", static)
    assert (overridden["type"], overridden["config"]) == ("static", '{"limit": 5}')
    assert client.entitlements_v2.get(created["id"])["deletedAt"] == overridden["activeFrom"]
    assert [each["id"] for each in client.entitlements_v2.list(customer_keys=["acme"]).items_property] == [
        overridden["id"]
    ]
    assert [each["subjectKey"] for each in client.entitlements.list(exclude_inactive=True)] == ["acme"]
    client.customer_entitlements_v2.delete("acme", "tokens")
    assert client.customer_entitlement.get_customer_entitlement_value("acme", "tokens").has_access is False
    listed = client.customer_entitlements_v2.list("acme", include_deleted=True)
    assert {each["id"] for each in listed.items_property} == {created["id"], overridden["id"]}


def test_what_is_wrong_is_told(client):
    make_tokens_feature(client)
    client.customers.create(models.CustomerCreate(name="Acme", key="acme"))
    boolean = models.EntitlementBooleanCreateInputs(type="boolean", feature_key="tokens")
    client.customer_entitlements_v2.post("acme", boolean)
    with pytest.raises(HttpResponseError, match="only a metered one has grants"):
        client.customer_entitlement_v2.create_customer_entitlement_grant(
            "acme",
            "tokens",
            models.EntitlementGrantCreateInputV2(amount=1, effective_at=datetime.datetime.now(UTC)),
        )
