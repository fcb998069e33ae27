"""Two who entitle, grant or reset at one moment: what holds for one after the other holds for both."""

from decimal import Decimal

import pytest

from entitlements.access.create_entitlement import create_entitlement
from entitlements.access.create_grant import create_grant
from entitlements.access.delete_entitlement import delete_entitlement
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.grant_input import GrantInput
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.void_grant import void_grant
from entitlements.errors import EntitlementEnded
from entitlements.models import BalanceSnapshot, Entitlement, EntitlementReset, Grant
from tests.concurrency.test_subscriptions_at_once import START, at_once
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, figures, make_metered_feature
from tests.support.usage import use

pytestmark = pytest.mark.django_db(transaction=True)
BOOLEAN = EntitlementInput(type="boolean", feature_key="calls")


@pytest.fixture
def customer():
    make_metered_feature()
    return make_customer()


def names(answers):
    return sorted(type(answer).__name__ for answer in answers)


def test_of_two_entitlements_to_one_feature_one_is_refused(customer):
    def create():
        return create_entitlement(customer=customer, entitlement=BOOLEAN)

    assert names(at_once(create, create, create)) == ["Entitlement", "EntitlementTaken", "EntitlementTaken"]
    assert Entitlement.objects.count() == 1


def test_two_grants_both_count(customer):
    entitlement = entitle(customer, on=f"{START:%Y-%m-%d}", issue=None)

    def grant():
        return create_grant(entitlement=entitlement, grant=GrantInput(amount=Decimal(10), effective_at=START))

    assert names(at_once(grant, grant)) == ["Grant", "Grant"]
    assert figures(entitlement, f"{START:%Y-%m-%d}")[3] == "20"


def test_of_two_resets_at_one_moment_one_is_refused(customer):
    entitlement = entitle(customer, on="2026-03-01")

    def reset():
        return reset_usage(entitlement=entitlement)

    assert names(at_once(reset, reset)) == ["EntitlementReset", "ResetTaken"]
    assert EntitlementReset.objects.count() == 1


def test_a_deletion_and_an_override_leave_one_or_none(customer):
    entitlement = entitle(customer, on="2026-03-01")

    def override():
        try:
            return override_entitlement(entitlement=entitlement, replacement=BOOLEAN)
        except EntitlementEnded as ended:
            return ended

    _, answer = at_once(lambda: delete_entitlement(entitlement=entitlement), override)
    assert Entitlement.objects.filter(active_to=None).count() == isinstance(answer, Entitlement)
    assert Entitlement.objects.get(pk=entitlement.pk).active_to == START


def test_a_grant_is_voided_once_and_snapshots_are_kept_by_many(customer):
    entitlement = entitle(customer, on="2026-01-01")
    use("2026-01-03", 30)
    grant = Grant.objects.get()
    at_once(lambda: void_grant(grant=grant), lambda: void_grant(grant=grant))
    found = at_once(*[lambda: figures(entitlement, "2026-02-10")] * 4)
    assert set(found) == {(True, "100", "0", "100", "0")}
    assert BalanceSnapshot.objects.count() == 1
