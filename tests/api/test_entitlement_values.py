"""What is asked before each use costs few queries, and is what the slower roads say (billing rules 9)."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.ids import to_text
from customers.models import Customer, UsageSubject
from entitlements.access.asked import Addressed, read_asked
from entitlements.access.balances import burndowns_of
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import entitlements_with_facts
from entitlements.access.values import value_of, values_at
from entitlements.access.void_grant import void_grant
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import BalanceSnapshot, Entitlement, Feature, Meter
from tests.support.api import data, refused
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.managed import current, entitling_plan
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db
V1 = "/api/v1/customers/acme/entitlements/{}/value"
V2 = "/api/v2/customers/acme/entitlements/{}/value"
SUBJECT = "/api/v1/subjects/acme-us/entitlements/{}/value"


@pytest.fixture
def customer(db):
    make_metered_feature(group_by={"model": "$.model"})
    return make_customer(subjects=("acme-eu", "acme-us"))


@pytest.fixture(autouse=True)
def today():
    with clock.frozen_at(at("2026-06-16T12:00")):
        yield


def asked(api, address):
    """How many queries the second answer takes, those for the API key aside."""
    data(api.get(address))
    with CaptureQueriesContext(connection) as queries:
        data(api.get(address))
    return len([query for query in queries if "apikey" not in query["sql"]])


@pytest.mark.parametrize("door", [V1, V2, SUBJECT])
def test_a_value_costs_two_queries_and_one_where_nothing_is_metered(api, customer, door):
    for key in ("sso", "limits"):
        make_feature(key=key, name=key)
    entitlement = entitle(customer)
    entitle(customer, type="boolean", feature_key="sso")
    entitle(customer, type="static", feature_key="limits", config="{}")
    use("2026-05-03T10:20", 3, subject="acme-us")
    assert [asked(api, door.format(key)) for key in ("calls", "sso", "limits")] == [2, 1, 1]
    for number in range(5):
        give(entitlement, "10", "2026-06-03")
        entitle(customer, type="boolean", feature_key=make_feature(key=f"f{number}", name="F").key)
        use(f"2026-06-0{number + 1}T10:20", 3, subject="acme-eu")
    assert [asked(api, door.format(key)) for key in ("calls", "sso", "limits")] == [2, 1, 1]
    assert data(api.get(door.format("calls")))["usage"] == 15
    event = {"id": "twice", "source": "test", "type": "usage", "subject": "acme-eu", "data": {"amount": 4}}
    ingest_events(events=[event | {"time": "2026-06-11T10:20:00Z"}])
    assert data(api.get(door.format("calls")))["usage"] == 19
    reverse_event(source="test", event_id="twice", reason="Sent twice")
    assert asked(api, door.format("calls")) == 3
    assert data(api.get(door.format("calls")))["usage"] == 15


@pytest.mark.parametrize("door", [V1, V2, SUBJECT])
def test_what_just_came_counts_at_once(api, customer, door):
    entitle(customer)
    assert data(api.get(door.format("calls")))["balance"] == 100
    use("2026-06-16T11:59:59.999999", 7, subject="acme-us")
    assert data(api.get(door.format("calls")))["balance"] == 93
    use("2026-06-16T12:00", 5, subject="acme-us")  # not before now
    assert data(api.get(door.format("calls")))["balance"] == 93
    use("2026-04-03", 1, subject="acme-us")  # late, of a usage period that is over
    assert data(api.get(door.format("calls")))["balance"] == 93


def test_what_is_not_there_is_not_found(api, customer):
    entitlement = entitle(customer, on="2026-04-01", active_to=at("2026-05-01"))
    other = make_customer(key="other", name="Other", subjects=())
    assert data(api.get(V1.format("calls"))) == {"hasAccess": False}
    refused(api.get(V1.format("nothing")), 404)
    refused(api.get(V2.format("calls")), 404)
    refused(api.get(V2.format("%00")), 404)
    refused(api.get(SUBJECT.format("calls")), 404)
    for owner in ("nobody", "x" * 300, "acme-eu", to_text(entitlement.pk)):
        refused(api.get(f"/api/v2/customers/{owner}/entitlements/calls/value"), 404)
    for subject in ("nobody", "x" * 300, "acme"):
        refused(api.get(f"/api/v1/subjects/{subject}/entitlements/calls/value"), 404)
    refused(api.get(f"/api/v2/customers/other/entitlements/{to_text(entitlement.pk)}/value"), 404)
    assert data(api.get(V2.format(to_text(entitlement.pk)))) == {"hasAccess": False}
    by_id = f"/api/v2/customers/{to_text(customer.pk)}/entitlements/calls/value?time=2026-04-20T00:00:00Z"
    assert data(api.get(by_id))["balance"] == 100
    # One whose key is spelled like another's id: the id wins.
    other.key = to_text(customer.pk)
    other.save()
    assert data(api.get(by_id))["balance"] == 100


def test_a_customer_who_is_deleted_has_none_nor_has_their_subject(api, customer):
    entitle(customer)
    customer.deleted_at = clock.now()
    customer.save()
    for door in (V1, V2, SUBJECT):
        refused(api.get(door.format("calls")), 404)


def same(key="acme", feature="calls"):
    """The quick road reads the facts that the others read, to the last digit: either takes the other's snapshot."""
    now = clock.now()
    row, loaded = read_asked(Addressed.CUSTOMER, key, feature, now)
    plain = entitlements_with_facts().get(pk=row.pk)
    [quick], [slow] = burndowns_of([row], loaded), burndowns_of([plain])
    assert quick.facts_at(now) == slow.facts_at(now)
    BalanceSnapshot.objects.all().delete()
    value = value_of(Addressed.CUSTOMER, key, feature, now)
    taken = list(BalanceSnapshot.objects.values_list("id", "taken_at"))
    with clock.frozen_at(at("2026-06-16T12:00:01")):
        assert values_at([plain], now)[row.pk] == value
        assert value_of(Addressed.CUSTOMER, key, feature, now) == value
    assert list(BalanceSnapshot.objects.values_list("id", "taken_at")) == taken != []
    return value


def test_by_a_subject_it_is_the_value_of_whoever_has_it_now(api, customer):
    entitle(customer)
    use("2026-06-03", 9, subject="acme-us")
    UsageSubject.objects.filter(key="acme-us").update(deleted_at=at("2026-06-10"))
    refused(api.get(SUBJECT.format("calls")), 404)
    other = make_customer(key="bolt", name="Bolt", subjects=())
    UsageSubject.objects.create(customer=other, key="acme-us", active_from=at("2026-06-10"))
    refused(api.get(SUBJECT.format("calls")), 404)
    entitle(other, issue="50")
    use("2026-06-12", 4, subject="acme-us")
    assert data(api.get(SUBJECT.format("calls")))["balance"] == 46
    assert data(api.get(V1.format("calls")))["balance"] == 91


def test_an_id_is_the_customers_who_has_it_though_it_is_an_older_ones_key(api, customer):
    newer = make_customer(key="bolt", name="Bolt")
    Customer.objects.filter(pk=customer.pk).update(key=to_text(newer.pk))
    entitle(customer)
    entitle(newer, issue="50")
    address = f"/api/v1/customers/{to_text(newer.pk)}/entitlements/calls/value"
    assert data(api.get(address))["balance"] == 50


def test_all_facts_are_read(customer):
    feature = Feature.objects.get()
    feature.meter_filters = {"model": ["gpt-4", 'a "b"']}
    feature.save()
    Meter.objects.update(event_from=at("2026-02-01T00:00:00.123456"))
    entitlement = entitle(customer, issue=(Decimal("99.120000000001"), 3), soft_limit=True, preserve_overage=True)
    give(entitlement, "7.50", "2026-04-03", recurrence=("P1W", None), max_rollover=Decimal("0.10"), priority=0)
    void_grant(grant=give(entitlement, "5", "2026-06-01"), at=at("2026-06-10T01:02:03.000004"))
    give(entitlement, "2", "2026-06-02", expiration=("DAY", 3))
    reset_usage(entitlement=entitlement, effective_at=at("2026-06-05"), preserve_overage=False)
    customer.usage_subjects.filter(key="acme-eu").update(deleted_at=at("2026-06-07"))
    customer.usage_subjects.filter(key="acme-us").update(active_from=at("2026-04-07T01:02:03.5"))
    use("2026-06-12", 3, subject="acme-us")
    assert same().has_access


def test_a_chain_of_terms_is_read(db):
    feature = make_metered_feature()
    started = subscribe(entitling_plan(feature, amount=100), bill=False)
    give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
    use("2026-04-02", 120)
    for number in range(3):
        plan = entitling_plan(feature, f"plan_{number}", 300 + number)
        started = change(started, plan, f"2026-05-1{number}").successor
    use("2026-06-12", 1)
    # 302 of the plan, and the 30 that are left of what staff granted.
    assert same().balance == 331
    Entitlement.objects.filter(managed_keys__plan="free").update(
        continues=Entitlement.objects.get(managed_keys__plan="plan_2")
    )
    assert same().balance == 331  # where they form a ring, it ends
