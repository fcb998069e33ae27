"""An entitlement after a change of plan, over REST: what staff did before it shows, and can be taken back."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.ids import to_text
from entitlements.access.reset_usage import reset_usage
from entitlements.models import Entitlement, Feature
from subscriptions.models import Subscription
from tests.support.api import data
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import give, make_metered_feature
from tests.support.managed import current, entitling_plan
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db
CALLS = "/api/v2/customers/acme/entitlements/calls"


@pytest.fixture
def grant(db):
    """50 on top of 100, of which 20 are used; reset on the 10th; another plan, of 300, on the 16th. It is the 20th."""
    feature = make_metered_feature()
    customer = make_customer(subjects=("acme",))
    started = subscribe(entitling_plan(feature, amount=100), customer=customer, bill=False)
    given = give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(50))
    use("2026-04-02", 120)
    with clock.frozen_at(at("2026-04-10")):
        reset_usage(entitlement=current("2026-04-10"))
    use("2026-04-12", 8)
    change(started, entitling_plan(feature, "starter", 300), "2026-04-16")
    with clock.frozen_at(at("2026-04-20")):
        yield given


def test_grants_that_moved_along_are_listed_and_can_be_voided(api, grant):
    listed = data(api.get(f"{CALLS}/grants"))["items"]
    assert {(each["amount"], each["id"] == to_text(grant.pk)) for each in listed} == {(50, True), (300, False)}
    value = data(api.get(f"{CALLS}/value"))
    assert value["balance"] == 322
    assert value["grantBalances"][to_text(grant.pk)] == 30
    assert api.delete(f"/api/v1/grants/{to_text(grant.pk)}").status_code == 204
    assert data(api.get(f"{CALLS}/value"))["balance"] == 292
    assert [each["amount"] for each in data(api.get(f"{CALLS}/grants"))["items"]] == [300]
    everything = data(api.get(f"{CALLS}/grants?includeDeleted=true"))["items"]
    assert {each["amount"] for each in everything} == {50, 300}


def test_v1_lists_them_by_subject(api, grant):
    listed = data(api.get("/api/v1/subjects/acme/entitlements/calls/grants"))
    assert to_text(grant.pk) in {each["id"] for each in listed}


@pytest.mark.parametrize("path", [CALLS, "/api/v2/entitlements", "/api/v1/subjects/acme/entitlements/calls"])
def test_the_usage_period_that_goes_on_is_shown(api, grant, path):
    shown = data(api.get(path))
    if "items" in shown:
        [shown] = [each for each in shown["items"] if "activeTo" not in each]
    assert shown["currentUsagePeriod"] == {"from": "2026-04-10T00:00:00Z", "to": "2026-05-10T00:00:00Z"}
    assert shown["usagePeriod"]["anchor"] == "2026-04-10T00:00:00Z"
    assert shown["lastReset"] == "2026-04-10T00:00:00Z"


def test_the_list_asks_no_more_for_more_of_them(api, grant):
    asked = []
    data(api.get("/api/v2/entitlements"))
    for number in (2, 3):
        with CaptureQueriesContext(connection) as queries:
            assert len(data(api.get("/api/v2/entitlements"))["items"]) == number
        asked.append(len(queries))
        changed = Subscription.objects.get(active_to=None)
        change(changed, entitling_plan(Feature.objects.get(), f"plan_{number}", 400), "2026-04-20")
    assert asked[0] == asked[1]


def test_history_goes_back_over_the_change(api, grant):
    found = data(api.get(f"{CALLS}/history?windowSize=DAY"))
    assert [(each["period"]["from"][:10], each["usage"]) for each in found["windowedHistory"]] == [("2026-04-12", 8)]
    whole = data(api.get(f"{CALLS}/history?windowSize=DAY&from=2026-04-01T00:00:00Z"))
    assert [each["usage"] for each in whole["windowedHistory"]] == [120, 8]
    assert [each["balanceAtStart"] for each in whole["windowedHistory"]] == [150, 330]
    assert [(each["usage"], each["balanceAtEnd"]) for each in whole["burndownHistory"]] == [(120, 30), (8, 322)]


def test_what_has_not_begun_has_no_history(api, grant):
    row = Entitlement.objects.get(active_to=None)
    with clock.frozen_at(at("2026-04-15")):
        assert (
            api.get(f"/api/v2/customers/acme/entitlements/{to_text(row.pk)}/history?windowSize=DAY").status_code == 400
        )
