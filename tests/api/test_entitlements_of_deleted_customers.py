"""A deleted customer may use nothing any more; what they had stays to be read (billing rules 9)."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection

from core import clock
from core.audit.models import AuditEntry
from core.errors import NotFound
from core.ids import to_text
from customers.models import Customer
from customers.services.customer_input import CustomerInput
from entitlements.access.create_grant import create_grant
from entitlements.access.grant_input import GrantInput
from entitlements.errors import EntitlementEnded
from entitlements.models import Entitlement
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.customer_guards.update_customer import update_customer
from invoicing.errors import OpenBusiness
from tests.support.api import data, refused
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.entitlements import entitle, figures, make_metered_feature, value
from tests.support.managed import entitling_plan
from tests.support.subscriptions import subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(db):
    make_default_profile()
    return make_metered_feature()


@pytest.fixture
def customer(calls):
    return make_customer()


def delete(customer, on="2026-04-16"):
    with clock.frozen_at(at(on)):
        return delete_customer(customer=customer)


def test_what_was_given_by_hand_ends_with_the_customer(customer):
    make_feature(key="sso", name="SSO")
    running = entitle(customer)
    over = entitle(customer, type="boolean", feature_key="sso", active_to=at("2026-04-05"))
    with clock.frozen_at(at("2026-04-10")):
        coming = entitle(customer, "2026-05-01", type="boolean", feature_key="sso")
    use("2026-04-05", 30)
    use("2026-04-17", 30)
    delete(customer)
    ends = {row.pk: (row.active_to, row.deleted_at) for row in Entitlement.objects.all()}
    assert ends == {
        running.pk: (at("2026-04-16"), at("2026-04-16")),
        over.pk: (at("2026-04-05"), None),
        coming.pk: (at("2026-05-01"), at("2026-04-16")),
    }
    assert not value(running, "2026-04-16").has_access
    assert not value(coming, "2026-05-02").has_access
    # What was used then stays used, also of a customer who never subscribed to anything.
    assert figures(running, "2026-04-15") == (True, "100", "30", "70", "0")
    assert AuditEntry.objects.filter(verb="entitlement.deleted").count() == 2
    delete(customer, on="2026-04-20")
    assert {row.pk: (row.active_to, row.deleted_at) for row in Entitlement.objects.all()} == ends


def test_nothing_can_be_given_afterwards(customer):
    entitlement = entitle(customer)
    delete(customer)
    with pytest.raises(NotFound):
        entitle(customer, "2026-04-17")
    with clock.frozen_at(at("2026-04-17")), pytest.raises(EntitlementEnded):
        create_grant(entitlement=entitlement, grant=GrantInput(amount=Decimal(5), effective_at=at("2026-04-17")))


def test_over_rest_it_is_gone_and_can_be_read_by_its_id(api, customer):
    entitlement = entitle(customer)
    with clock.frozen_at(at("2026-04-16")):
        assert len(data(api.get("/entitlements"))) == 1
        data(api.delete("/customers/acme"), 204)
        assert data(api.get("/entitlements")) == []
        assert data(api.get("/api/v2/entitlements"))["items"] == []
        refused(api.get("/customers/acme/entitlements/calls/value"), 404)
        shown = data(api.get(f"/entitlements/{to_text(entitlement.pk)}"))
    assert (shown["activeTo"], shown["deletedAt"]) == ("2026-04-16T00:00:00Z", "2026-04-16T00:00:00Z")


def test_one_who_subscribes_keeps_what_they_have_as_they_can_not_be_deleted(calls, customer):
    subscribe(entitling_plan(calls), customer=customer, bill=False)
    with pytest.raises(OpenBusiness, match="was not deleted"):
        delete(customer)
    assert Entitlement.objects.get().active_to is None


def test_a_subject_that_is_given_up_leaves_what_was_used_by_it(customer):
    entitlement = entitle(customer)
    use("2026-04-05", 30)
    with clock.frozen_at(at("2026-04-10")):
        named = CustomerInput(name="Acme", key="acme", currency="EUR", subjects=("acme-eu",))
        update_customer(customer=customer, replacement=named)
    assert figures(entitlement, "2026-04-12") == (True, "100", "30", "70", "0")


def test_who_was_deleted_before_has_none_after_the_upgrade(customer):
    running, ended = entitle(customer), entitle(make_customer(key="other", name="Other"))
    Customer.objects.filter(pk=customer.pk).update(deleted_at=at("2026-04-16"))
    with connection.cursor() as cursor:
        cursor.execute(import_module("entitlements.migrations.0013_dropped_usage").ENDED)
    running.refresh_from_db()
    ended.refresh_from_db()
    assert (running.active_to, running.deleted_at) == (at("2026-04-16"), at("2026-04-16"))
    assert (ended.active_to, ended.deleted_at) == (None, None)
