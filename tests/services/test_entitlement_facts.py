"""What the database itself keeps of entitlements: one per feature at a time, and facts as they were given."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from entitlements.models import Entitlement, EntitlementReset, Grant
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


def entitle(customer, feature, start="2026-04-01", end=None, **facts):
    return Entitlement.objects.create(
        customer=customer,
        feature=feature,
        feature_key=feature.key,
        type="boolean",
        active_from=at(start),
        active_to=at(end) if end else None,
        **facts,
    )


@pytest.mark.parametrize(
    ("start", "end", "fits"),
    [
        ("2026-04-01", None, False),
        ("2026-03-01", None, False),
        ("2026-04-10", "2026-04-11", False),
        ("2026-03-01", "2026-04-01", True),
        ("2026-03-01", "2026-04-02", False),
        ("2026-05-01", None, True),
        ("2026-04-30", None, False),
        ("2026-04-10", "2026-04-10", True),  # one that was deleted before it began
    ],
)
def test_a_feature_is_entitled_to_once_at_a_time(start, end, fits):
    customer, feature = make_customer(), make_feature()
    entitle(customer, feature, "2026-04-01", "2026-05-01")
    entitle(make_customer(key="bolt", name="Bolt"), feature, start, end)
    entitle(customer, make_feature(key="calls"), start, end)
    if fits:
        entitle(customer, feature, start, end)
        return
    with pytest.raises(IntegrityError, match="one_entitlement_per_feature"):
        entitle(customer, feature, start, end)


def test_a_key_given_to_another_feature_is_still_entitled_to_once():
    customer, feature = make_customer(), make_feature(archived_at=at("2026-04-02"))
    entitle(customer, feature)
    with pytest.raises(IntegrityError, match="one_entitlement_per_feature"):
        entitle(customer, make_feature())


@pytest.mark.parametrize(
    "facts",
    [
        {"type": "static"},
        {"type": "boolean", "config": "{}"},
        {"type": "metered"},
        {"type": "metered", "measure_usage_from": at("2026-04-02"), "usage_period": "P1M"},
        {
            "type": "metered",
            "measure_usage_from": at("2026-04-02"),
            "usage_period": "P1M",
            "usage_period_anchor": at("2026-04-01"),
        },
        {"type": "boolean", "active_to": at("2026-03-31")},
    ],
)
def test_what_is_half_said_is_refused(facts):
    feature = make_feature()
    whole = {"customer": make_customer(), "feature": feature, "feature_key": "storage", "active_from": at("2026-04-01")}
    with pytest.raises(IntegrityError):
        Entitlement.objects.create(**whole | facts)


def test_grants_and_resets_are_never_changed():
    entitlement = entitle(make_customer(), make_feature())
    grant = Grant.objects.create(entitlement=entitlement, amount=10, effective_at=at("2026-04-01"))
    reset = EntitlementReset.objects.create(entitlement=entitlement, at=at("2026-04-02"), created_at=at("2026-04-02"))
    for act in (
        lambda: Grant.objects.update(amount=11),
        lambda: Grant.objects.update(effective_at=at("2026-03-01")),
        lambda: Grant.objects.filter(pk=grant.pk)._raw_delete("default"),
        lambda: EntitlementReset.objects.update(at=at("2026-04-03")),
        lambda: reset.delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    Grant.objects.update(voided_at=at("2026-04-05"))
    for voided_at in (None, at("2026-04-06")):
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.update(voided_at=voided_at)
    assert Grant.objects.get().amount == Decimal(10)
