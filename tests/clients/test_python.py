import datetime
from itertools import chain

import isodate
import pytest
from corehttp.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from openmeter import Client, models
from openmeter.models import CustomerCreate, CustomerReplaceUpdate, CustomerUsageAttribution, Event

from entitlements.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

MARCH_17 = datetime.datetime(2026, 3, 17, 8, 30, 0, 123456, tzinfo=datetime.UTC)


def make_tokens_feature(client):
    client.meters.create(
        models.MeterCreate(
            slug="tokens",
            aggregation="SUM",
            event_type="prompt",
            value_property="$.tokens",
            group_by={"model": "$.model"},
        )
    )
    return client.features.create(models.FeatureCreateInputs(key="tokens", name="Tokens", meter_slug="tokens"))


def use(number, **changes):
    values = {
        "id": f"e{number}",
        "source": "my-app",
        "specversion": "1.0",
        "type": "prompt",
        "subject": "acme",
        "time": MARCH_17,
        "data": {"tokens": 100, "model": "gpt-4"},
    }
    return Event(**(values | changes))


def test_customers(client):
    attribution = CustomerUsageAttribution(subject_keys=["acme-eu"])
    created = client.customers.create(CustomerCreate(name="Acme", key="acme", usage_attribution=attribution))
    assert (created.name, created.usage_attribution.subject_keys, created.deleted_at) == ("Acme", ["acme-eu"], None)
    assert created.created_at.tzinfo is not None
    updated = client.customers.update("acme", CustomerReplaceUpdate(name="Acme Ltd", key="acme"))
    assert (updated.id, updated.name, updated.usage_attribution.subject_keys) == (created.id, "Acme Ltd", ["acme"])
    assert [customer.key for customer in client.customers.list(name="LTD", page_size=5).items_property] == ["acme"]
    client.customers.delete(created.id)
    assert client.customers.get(created.id).deleted_at is not None


def test_events_and_usage(client):
    make_tokens_feature(client)
    client.events.ingest_event(use(1))
    client.events.ingest_events([use(1), use(2, data={"tokens": 0.5, "model": "gpt-3.5"})])
    assert UsageEvent.objects.count() == 2
    assert UsageEvent.objects.get(external_id="e1").time == MARCH_17
    assert {item.event.id for item in client.events.list(subject="acme", from_parameter=MARCH_17)} == {"e1", "e2"}
    start, end = MARCH_17.replace(day=1), MARCH_17.replace(day=30)
    result = client.meters.query_json("tokens", from_parameter=start, to=end, group_by=["model"])
    assert [(row.value, row.group_by["model"]) for row in result.data] == [(0.5, "gpt-3.5"), (100, "gpt-4")]


def test_plans_with_the_nulls_that_the_client_drops(client):
    make_tokens_feature(client)
    plan = models.PlanCreate(
        key="gold",
        name="Gold",
        currency="EUR",
        billing_cadence="P1M",
        phases=[
            models.PlanPhase(
                key="main",
                name="Main",
                duration=None,
                rate_cards=[
                    models.RateCardFlatFee(
                        type="flat_fee", key="setup", name="Set-up", billing_cadence=None, price=None
                    ),
                    models.RateCardUsageBased(
                        type="usage_based",
                        key="tokens",
                        name="Tokens",
                        feature_key="tokens",
                        billing_cadence=datetime.timedelta(days=7),
                        price=models.UnitPriceWithCommitments(type="unit", amount="0.25"),
                    ),
                ],
            )
        ],
    )
    created = client.plans.create(plan)
    assert (created.version, created.status, created.billing_cadence) == (1, "draft", isodate.Duration(months=1))
    (phase,) = created.phases
    setup, tokens = phase.rate_cards
    assert (phase.duration, setup["price"], setup["billingCadence"]) == (None, None, None)
    assert tokens["billingCadence"] == "P1W"
    published = client.plans.publish(created.id)
    assert (published.status, published.effective_from is not None) == ("active", True)
    assert client.plans.next("gold").version == 2
    assert [listed.version for listed in client.plans.list(key=["gold"], status=["active"])] == [1]
    client.plans.archive(created.id)


def test_a_refusal_is_the_exception_of_its_status(client, server):
    with pytest.raises(ResourceNotFoundError):
        client.customers.get("nobody")
    with pytest.raises(HttpResponseError) as caught:
        client.customers.create(CustomerCreate(name="", key="acme"))
    assert caught.value.status_code == 400
    client.customers.create(CustomerCreate(name="Acme", key="acme"))
    with pytest.raises(ResourceExistsError):
        client.customers.create(CustomerCreate(name="Acme", key="acme"))


def test_a_wrong_key_is_refused(server):
    with Client(endpoint=server, token="wrong") as stranger, pytest.raises(ClientAuthenticationError):
        stranger.customers.list()


def test_events_page_by_page(client):
    client.events.ingest_events([use(number, id=f"e{number}") for number in range(1, 6)] + [use(6, subject="bolt")])
    shown = client.events_v2.list(
        limit=2, filter={"subject": {"$in": ["acme"]}, "time": {"$gte": "2026-03-17T00:00:00Z"}}
    )
    pages = [[item.event.id for item in page] for page in shown.by_page()]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(chain.from_iterable(pages)) == ["e1", "e2", "e3", "e4", "e5"]
    [only] = client.events_v2.list(filter={"id": {"$eq": "e6"}})
    assert (only.event.subject, only.event.data) == ("bolt", {"tokens": 100, "model": "gpt-4"})
    with pytest.raises(HttpResponseError) as error:
        list(client.events_v2.list(filter={"subject": {"eq": "acme"}}))
    assert error.value.status_code == 400
