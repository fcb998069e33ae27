"""What all threads of a web process share for the value of an entitlement: each request gets its own answer and asks
its own question, also the first of all."""

import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from core import clock
from core.rest.views import _what_nothing_says
from entitlements.access.values import AccessValue
from entitlements.api.access.value_serializers import ValueSerializer, _presenter, value_on_wire
from tests.support.api import Api, data
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12
METERED = {"hasAccess": True, "balance": 93, "usage": 7, "overage": 0, "totalAvailableGrantAmount": 100}
EARLIER = METERED | {"balance": 97, "usage": 3}
SPENT = {"hasAccess": False, "balance": 0, "usage": 25, "overage": 5, "totalAvailableGrantAmount": 20}
ANSWERS = {
    "/api/v1/customers/acme/entitlements/calls/value": METERED,
    "/api/v1/customers/acme/entitlements/calls/value?time=2026-04-03T00:00:00Z": EARLIER,
    "/api/v1/customers/globex/entitlements/calls/value": SPENT,
    "/api/v1/subjects/globex/entitlements/calls/value": SPENT,
    "/api/v1/customers/acme/entitlements/seats/value": {"hasAccess": True, "config": '{"seats": 5}'},
    "/api/v1/customers/globex/entitlements/seats/value": {"hasAccess": False},
    "/api/v2/customers/acme/entitlements/calls/value": METERED,
    "/api/v2/customers/globex/entitlements/calls/value": SPENT,
}


@pytest.fixture
def busy_switching():
    """Threads take turns as often as Python lets them."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_each_of_many_threads_gets_its_own_value_from_the_first_request_on(busy_switching):
    make_metered_feature()
    make_feature(key="seats", name="Seats")
    acme, globex = make_customer(), make_customer(key="globex", name="Globex", subjects=("globex",))
    entitle(acme)
    entitle(acme, type="static", feature_key="seats", config='{"seats": 5}')
    give(entitle(globex, issue=None), "20")
    for on, amount, subject in (("2026-04-02", 3, "acme"), ("2026-04-04", 4, "acme"), ("2026-04-02", 25, "globex")):
        use(on, amount, subject)
    callers = [(Api(), address) for address in ANSWERS]
    _presenter.cache_clear()
    _what_nothing_says.cache_clear()
    together = Barrier(len(callers))

    def ask(caller):
        api, address = caller
        try:
            together.wait(timeout=10)
            with clock.frozen_at(at("2026-04-05")):
                return [data(api.get(address)) for _ in range(ROUNDS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(callers)) as pool:
        found = dict(zip(ANSWERS, pool.map(ask, callers), strict=True))
    for address, expected in ANSWERS.items():
        for value in found[address]:
            value.pop("grantBalances", None)
            assert value == expected, address


def test_what_presents_values_keeps_nothing_of_them(busy_switching):
    """Four threads that do nothing else, so that they meet in the middle of it."""

    def present(number):
        number = Decimal(number)
        value = AccessValue(has_access=True, balance=number, usage=-number, overage=Decimal(0), total=Decimal(0))
        shown = {"hasAccess": True, "balance": number, "usage": -number, "overage": 0, "totalAvailableGrantAmount": 0}
        return sum(value_on_wire(value, ValueSerializer) != shown for _ in range(1_500))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(present, range(4))) == [0, 0, 0, 0]
