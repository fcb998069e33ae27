"""Every endpoint with bodies and parameters that a machine thought up, on the tests' own database."""

from typing import Any
from unittest import SkipTest

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing_site.wsgi import application
from subscriptions.models import Subscription
from tests.support.api import Api, data
from tests.support.catalog import make_feature, make_meter, make_plan
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
FOUND: list[Any] = list(schema.get_all_operations())
OPERATIONS = [result.ok() for result in FOUND]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    """A caller's key, and of each kind of thing one that can be addressed: made once, around the transactions of the
    tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield made_shop()
        transaction.set_rollback(True)


def made_shop():
    make_default_profile()
    meter = make_meter(group_by={"model": "$.model"})
    make_feature(meter=meter)
    customer = make_customer()
    make_plan(key="gold")
    api = Api()
    subscription = data(api.post("/subscriptions", {"customerKey": "acme", "plan": {"key": "gold"}}), 201)
    terms = {"type": "metered", "featureKey": "storage", "usagePeriod": {"interval": "MONTH"}, "issueAfterReset": 5}
    entitlement = data(api.post("/api/v2/customers/acme/entitlements", terms), 201)
    grant = data(api.get("/api/v2/grants"))["items"][0]
    known = {
        "entitlementId": entitlement["id"],
        "entitlementIdOrFeatureKey": "storage",
        "featureKey": "storage",
        "grantId": grant["id"],
        "subjectIdOrKey": "acme",
        "customerIdOrKey": "acme",
        "customerId": data(api.get("/customers/acme"))["id"],
        "meterIdOrSlug": "usage",
        "groupByKey": "model",
        "featureId": "storage",
        "planId": "gold",
        "subscriptionId": subscription["id"],
        "runningNumber": 1,
    }
    assert Subscription.objects.get().customer == customer
    return api.token, known


@pytest.fixture
def site(shop, db):
    # Django's test client, too, keeps a request's end from closing the connection: the test's own transaction is on it.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield shop
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@hypothesis.settings(
    max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@hypothesis.given(draw=st.data())
def test_whatever_is_sent_the_answer_is_one_that_the_schema_names(operation, draw, site):
    token, known = site
    mode = draw.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    try:
        case = draw.draw(operation.as_strategy(generation_mode=mode))
    except (SkipTest, Unsatisfiable):
        hypothesis.reject()  # nothing about this operation can be wrong
    if case.path_parameters and draw.draw(st.booleans()):
        case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
    case.call_and_validate(app=application, base_url="http://testserver", checks=CHECKS)
