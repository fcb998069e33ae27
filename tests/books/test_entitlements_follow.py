"""That entitlements are what subscriptions give is proven, and a command writes what is missing."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from core import clock
from entitlements.models import Entitlement, Grant
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.entitlements import make_metered_feature
from tests.support.managed import entitling_plan, have
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db

NOW = "2026-04-20"


@pytest.fixture
def customer():
    calls = make_metered_feature()
    started = subscribe(entitling_plan(calls))
    change(started, entitling_plan(calls, "starter", 550000), "2026-04-16")
    assert check()[0] == 0
    return started.customer


def check():
    return run_check("--only", "11", now=NOW)


def settle():
    out = StringIO()
    with clock.frozen_at(at(NOW)):
        call_command("settle_entitlements", stdout=out)
    return out.getvalue()


def forget(condition="TRUE"):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"DELETE FROM entitlements_grant WHERE entitlement_id IN "
            f"(SELECT id FROM entitlements_entitlement WHERE {condition})"
        )
        cursor.execute(f"DELETE FROM entitlements_entitlement WHERE {condition}")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_one_that_is_missing_is_found_and_written(customer):
    forget()
    code, said = check()
    assert code == 1
    assert "Customer Acme (acme): they lack the entitlement to calls" in said
    assert "2026-04-16 00:00 UTC" in said
    assert "1 of 1 customers" in settle()
    assert have(NOW) == (True, "550000", "0", "550000", "0")
    assert check()[0] == 0


def test_one_that_ends_at_another_time_is_found_and_ended(customer):
    Entitlement.objects.filter(active_to=None).update(active_to=at("2026-07-01"))
    code, said = check()
    assert code == 1
    assert "ends at another time than their subscription says" in said
    settle()
    assert check()[0] == 0


def test_one_that_nothing_gives_is_found_and_ended(customer):
    Entitlement.objects.filter(active_to=None).update(issue_after_reset=7)
    code, said = check()
    assert code == 1
    assert "that none of their subscriptions gives them" in said
    settle()
    assert have(NOW) == (True, "550000", "0", "550000", "0")


def test_where_all_is_right_the_command_writes_nothing(customer):
    before = list(Entitlement.objects.values_list("pk", "updated_at")), Grant.objects.count()
    settle()
    assert (list(Entitlement.objects.values_list("pk", "updated_at")), Grant.objects.count()) == before
