"""Two who change what a subscription entitles to, and what staff granted on it, at one moment."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Event

import pytest
from django.db import connection, transaction

from core import clock
from core.errors import BillingError
from entitlements.access.create_grant import create_grant
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.grant_input import GrantInput
from entitlements.access.override_entitlement import override_entitlement
from entitlements.access.reset_usage import reset_usage
from entitlements.access.settle_managed import unsettled
from entitlements.access.void_grant import void_grant
from entitlements.errors import BadGrant
from entitlements.metering.ingest_events import ingest_events
from entitlements.models import Entitlement, EntitlementReset, Grant
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.pause_subscription import pause_subscription
from subscriptions.lifecycle.entitle import entitled_by_subscriptions, settle_entitlements
from subscriptions.models import Subscription
from tests.concurrency.test_locks_in_one_order import somebody_waits
from tests.concurrency.test_subscriptions_at_once import START, at_once
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.entitlements import entitle, give, make_metered_feature
from tests.support.managed import current, entitling_plan, have
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = f"{START:%Y-%m-%d}"


@pytest.fixture
def calls():
    make_default_profile()
    return make_metered_feature()


@pytest.fixture
def started(calls):
    """100 calls a month from 1 March."""
    return subscribe(entitling_plan(calls, amount=100), "2026-03-01", bill=False)


@pytest.fixture
def plans(calls):
    return [entitling_plan(calls, f"plan_{amount}", amount) for amount in (300, 700)]


def unless_refused(act, **how):
    """`act`, which answers the refusal where it is refused."""

    def tried():
        try:
            return act(**how)
        except BillingError as refusal:
            return refusal

    return tried


def settled():
    customer = Subscription.objects.first().customer_id
    assert unsettled(entitled_by_subscriptions([customer])) == {}
    return Entitlement.objects.filter(deleted_at=None).count()


def test_of_two_changes_one_holds_and_entitles(started, plans):
    answers = at_once(
        *[unless_refused(change_plan, subscription=started, plan=plan, timing="immediate") for plan in plans]
    )
    done = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(done) == 1
    assert settled() == 2
    assert have(TODAY)[1] in ("300", "700")
    assert Subscription.objects.filter(active_to=None).count() == 1


def test_a_change_and_a_pause_leave_what_the_facts_say(started, plans):
    at_once(
        unless_refused(change_plan, subscription=started, plan=plans[0], timing="immediate"),
        unless_refused(pause_subscription, subscription=started, timing="immediate"),
        unless_refused(cancel_subscription, subscription=started, timing="next_billing_cycle"),
    )
    settled()


def test_who_settles_twice_at_once_writes_once(started):
    Entitlement.objects.all().update(active_to=at("2026-03-02"))
    at_once(*[lambda: settle_entitlements(started.customer_id)] * 3)
    assert settled() == 1


def test_a_change_loses_no_grant(started, plans):
    row = current(TODAY)
    terms = GrantInput(amount=Decimal(50), effective_at=START, max_rollover=Decimal(50))
    grant = unless_refused(create_grant, entitlement=row, grant=terms)
    answers = at_once(grant, lambda: change_plan(subscription=started, plan=plans[0], timing="immediate"), grant)
    made = sum(isinstance(answer, Grant) for answer in answers)
    assert have(TODAY)[1] == f"{300 + 50 * made}"
    assert settled() == 2


def test_a_void_and_what_comes_at_that_moment_both_count(started, plans):
    grant = give(current("2026-03-01"), "50", "2026-03-01", max_rollover=Decimal(50))
    use("2026-03-02", 120)
    change(started, plans[0], "2026-03-10")
    events = [
        {"id": f"{number}", "source": "s", "type": "usage", "subject": "acme", "time": "2026-03-16T10:00:00Z"}
        | {"data": {"amount": 10}}
        for number in range(4)
    ]
    at_once(
        lambda: void_grant(grant=grant),
        lambda: ingest_events(events=events[:2]),
        lambda: void_grant(grant=grant),
        lambda: ingest_events(events=events[2:]),
        lambda: have(TODAY),
    )
    assert Grant.objects.get(pk=grant.pk).voided_at == START
    # 160 of the 300.
    assert have(TODAY) == (True, "300", "160", "140", "0")


@contextmanager
def first(act):
    """While the block runs, `act` is done and not committed; it is as soon as the block has somebody waiting."""
    done, go = Event(), Event()

    def run():
        try:
            with clock.frozen_at(START), transaction.atomic():
                act()
                done.set()
                assert go.wait(10)
        finally:
            done.set()
            connection.close()

    def let_go():
        try:
            for _ in range(300):
                if somebody_waits():
                    break
                Event().wait(0.01)
        finally:
            go.set()
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(run)
        assert done.wait(10)
        pool.submit(let_go)
        with clock.frozen_at(START):
            yield
        other.result(20)


def test_a_grant_that_moved_along_is_not_voided_before_a_reset_that_comes_meanwhile(started, plans):
    grant = give(current("2026-03-01"), "50", "2026-03-01", max_rollover=Decimal(50))
    change(started, plans[0], "2026-03-10")
    later = current(TODAY)
    with first(lambda: reset_usage(entitlement=later)), pytest.raises(BadGrant, match="2026-03-17"):
        void_grant(grant=grant, at=at("2026-03-12"))
    assert EntitlementReset.objects.count() == 1
    assert Grant.objects.get(pk=grant.pk).voided_at is None


def test_a_void_waits_for_a_change_and_then_knows_it(started, plans):
    grant = give(current("2026-03-01"), "50", "2026-03-01", max_rollover=Decimal(50))
    with first(lambda: change_plan(subscription=started, plan=plans[0], timing="immediate", usage="reset")):
        with pytest.raises(BadGrant):
            void_grant(grant=grant, at=at("2026-03-12"))
        void_grant(grant=grant)
    assert have(TODAY)[1] == "300"


def test_who_is_deleted_meanwhile_is_entitled_to_nothing(calls):
    customer = make_customer()
    row = entitle(customer, on="2026-03-01")

    terms = GrantInput(amount=Decimal(5), effective_at=START)
    at_once(
        lambda: delete_customer(customer=customer),
        unless_refused(create_grant, entitlement=row, grant=terms),
        unless_refused(reset_usage, entitlement=row),
        unless_refused(
            override_entitlement, entitlement=row, replacement=EntitlementInput(type="boolean", feature_key="calls")
        ),
        lambda: delete_customer(customer=customer),
    )
    assert not Entitlement.objects.filter(active_to=None).exists()
    row.refresh_from_db()
    assert row.active_to == row.deleted_at == START
