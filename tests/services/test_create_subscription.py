from datetime import timedelta
from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import Conflict, InvalidInput
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import ItemRevision, QuantityChange, Subscription, SubscriptionItem, SubscriptionPhase
from tests.support.catalog import FLAT_50, flat_card, make_excess_plan, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db
START = at("2026-03-17")


@pytest.fixture(autouse=True)
def _on_17_march():
    with clock.frozen_at(START):
        yield


def test_items_are_numbered_in_the_order_of_the_plan_and_carry_its_terms():
    subscription = record_subscription(customer=make_customer(), plan=make_excess_plan(), active_from=START)
    assert [(item.running_number, item.key) for item in subscription.items.all()] == [(1, "base"), (2, "storage")]
    revision = ItemRevision.objects.get(item__key="storage")
    assert (revision.active_from, revision.active_to) == (START, None)
    assert (revision.type, revision.billing_cadence, revision.feature_key) == ("usage_based", "P1M", "storage")
    assert revision.price == {"type": "package", "amount": "1.00", "quantityPerPackage": "25"}


def test_a_subscription_freezes_zone_currency_and_anchor_and_is_due_from_its_start():
    customer = make_customer(time_zone="Europe/Berlin")
    subscription = record_subscription(customer=customer, plan=make_plan(), active_from=START)
    assert (subscription.time_zone, subscription.currency) == ("Europe/Berlin", "EUR")
    assert subscription.billing_anchor == subscription.next_billing_at == subscription.reconcile_from == START
    assert subscription.name == "Storage"


def test_a_key_in_several_phases_is_one_item_with_a_revision_for_each():
    plan = make_plan(
        {"key": "trial", "duration": "P1M", "cards": (flat_card(price={"type": "flat", "amount": "0"}),)},
        {"key": "paid", "cards": (flat_card(), flat_card(key="support"))},
    )
    subscription = record_subscription(customer=make_customer(), plan=plan, active_from=START)
    revisions = ItemRevision.objects.filter(item__running_number=1).order_by("active_from")
    assert [(r.phase.key, r.active_from, r.active_to) for r in revisions] == [
        ("trial", START, at("2026-04-17")),
        ("paid", at("2026-04-17"), None),
    ]
    support = ItemRevision.objects.get(item__running_number=2)
    assert (support.item.key, support.active_from) == ("support", at("2026-04-17"))
    assert subscription.phases.count() == 2


def test_a_starting_phase_leaves_out_the_phases_before_it():
    plan = make_plan(
        {"key": "trial", "duration": "P1M", "cards": (flat_card(),)}, {"key": "paid", "cards": (flat_card(),)}
    )
    record_subscription(customer=make_customer(), plan=plan, active_from=START, starting_phase="paid")
    phase = SubscriptionPhase.objects.get()
    assert (phase.key, phase.active_from, phase.active_to) == ("paid", START, None)


def test_an_unknown_starting_phase_is_refused_by_naming_the_known_ones():
    plan = make_plan(
        {"key": "trial", "duration": "P1M", "cards": (flat_card(),)}, {"key": "paid", "cards": (flat_card(),)}
    )
    with pytest.raises(InvalidInput, match=r"has no phase 'gold'\. Choose one of: trial, paid\."):
        record_subscription(customer=make_customer(), plan=plan, active_from=START, starting_phase="gold")
    assert not Subscription.objects.exists()


def test_a_given_anchor_is_moved_before_the_start():
    subscription = record_subscription(
        customer=make_customer(), plan=make_plan(), active_from=START, billing_anchor=at("2026-05-01")
    )
    assert subscription.billing_anchor == at("2026-03-01")


def test_quantities_other_than_one_are_recorded_from_the_start():
    plan = make_plan(cards=(flat_card(), flat_card(key="seats")))
    record_subscription(
        customer=make_customer(), plan=plan, active_from=START, quantities={"seats": Decimal(5), "base": Decimal(1)}
    )
    change = QuantityChange.objects.get()
    assert (change.item.key, change.quantity, change.effective_at) == ("seats", Decimal(5), START)


@pytest.mark.parametrize(("key", "quantity"), [("storage", "5"), ("unknown", "5"), ("base", "-1")])
def test_a_quantity_of_a_usage_item_an_unknown_key_or_below_zero_is_refused(key, quantity):
    with pytest.raises(InvalidInput) as refusal:
        record_subscription(
            customer=make_customer(), plan=make_excess_plan(), active_from=START, quantities={key: Decimal(quantity)}
        )
    assert refusal.value.problems[0].field == f"quantities.{key}"
    assert not Subscription.objects.exists()


def test_a_customer_without_currency_takes_the_plans():
    customer = make_customer(currency=None)
    record_subscription(customer=customer, plan=make_plan(), active_from=START)
    customer.refresh_from_db()
    assert customer.currency == "EUR"


def test_another_currency_is_refused_and_nothing_is_kept():
    with pytest.raises(Conflict, match="Acme is billed in USD, the plan is priced in EUR; nothing was created"):
        record_subscription(customer=make_customer(currency="USD"), plan=make_plan(), active_from=START)
    assert not SubscriptionItem.objects.exists()


@pytest.mark.parametrize(
    ("plan", "state"),
    [
        ({"effective_from": None}, "draft"),
        ({"effective_to": at("2026-03-16")}, "archived"),
        ({"effective_from": at("2026-03-18")}, "scheduled"),
        ({"deleted_at": at("2026-03-16")}, "deleted"),
    ],
)
def test_a_plan_that_is_not_active_is_refused(plan, state):
    with pytest.raises(InvalidInput, match=f"version 1 is {state}, not active"):
        record_subscription(customer=make_customer(), plan=make_plan(**plan), active_from=START)


def test_a_plan_on_sale_from_tomorrow_can_start_tomorrow():
    plan = make_plan(effective_from=at("2026-03-18"))
    record_subscription(customer=make_customer(), plan=plan, active_from=at("2026-03-18"))


def test_a_deleted_customer_is_refused():
    with pytest.raises(InvalidInput, match="Acme was deleted"):
        record_subscription(customer=make_customer(deleted_at=START), plan=make_plan(), active_from=START)


@pytest.mark.parametrize("start", [START + timedelta(days=1831), START - timedelta(days=1831)])
def test_a_start_more_than_five_years_away_is_refused(start):
    with pytest.raises(InvalidInput, match="more than five years"):
        record_subscription(customer=make_customer(), plan=make_plan(), active_from=start)


def test_a_feature_that_the_customer_already_has_is_refused():
    customer, plan = make_customer(), make_excess_plan()
    record_subscription(customer=customer, plan=plan, active_from=START)
    with pytest.raises(Conflict, match="Acme already has storage in subscription"):
        record_subscription(customer=customer, plan=plan, active_from=at("2026-06-01"))
    assert Subscription.objects.count() == 1


def test_a_feature_can_be_had_again_from_the_moment_that_its_subscription_ends():
    customer, plan = make_customer(), make_excess_plan()
    first = record_subscription(customer=customer, plan=plan, active_from=START)
    Subscription.objects.filter(pk=first.pk).update(active_to=at("2026-06-01"))
    with pytest.raises(Conflict):
        record_subscription(customer=customer, plan=plan, active_from=at("2026-05-31T23:59"))
    record_subscription(customer=customer, plan=plan, active_from=at("2026-06-01"))


def test_subscriptions_without_a_feature_in_common_stand_side_by_side():
    customer = make_customer()
    record_subscription(customer=customer, plan=make_excess_plan(), active_from=START)
    other = make_plan(
        key="tokens", cards=(usage_card(key="tokens", feature=make_feature(key="tokens", meter=make_meter())),)
    )
    record_subscription(customer=customer, plan=other, active_from=START)
    assert customer.subscriptions.count() == 2


def test_terms_of_the_customers_own_need_no_plan():
    terms = PlanTerms(
        name="Acme special",
        currency="EUR",
        billing_cadence="P1M",
        phases=(
            PhaseTerms(
                key="only",
                name="Only",
                rate_cards=(
                    RateCardTerms(type="flat_fee", key="base", name="Base", billing_cadence="P1M", price=FLAT_50),
                ),
            ),
        ),
    )
    subscription = record_subscription(customer=make_customer(), custom_plan=terms, active_from=START)
    assert (subscription.plan, subscription.name) == (None, "Acme special")
    assert subscription.items.get().key == "base"


def test_the_start_is_on_the_audit_trail():
    customer = make_customer()
    record_subscription(customer=customer, plan=make_plan(), active_from=START)
    entry = AuditEntry.objects.get(verb="subscription.created")
    assert entry.sentence == "Countinghouse subscribed Acme to Storage from 2026-03-17 00:00 UTC."
    assert entry.customer_id == customer.id


def test_a_subscription_costs_the_same_number_of_queries_however_many_items_it_has(django_assert_num_queries):
    small = make_plan(key="small", cards=tuple(flat_card(key=f"item_{n}") for n in range(3)))
    large = make_plan(key="large", cards=tuple(flat_card(key=f"item_{n}") for n in range(30)))
    customer = make_customer()
    with django_assert_num_queries(14):
        record_subscription(customer=customer, plan=small, active_from=START)
    with django_assert_num_queries(14):
        record_subscription(customer=customer, plan=large, active_from=START)
