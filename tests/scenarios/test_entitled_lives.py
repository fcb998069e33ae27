"""Whatever is done to subscriptions, and whenever: what they entitle to follows from their facts, the past stays as it
was, usage is counted once, and nothing that staff did is lost (billing rules 9)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from core import clock
from core.errors import BillingError
from core.periods import CADENCES, period_at
from entitlements.access.asked import Addressed
from entitlements.access.balances import burndowns_of
from entitlements.access.create_grant import create_grant
from entitlements.access.grant_input import GrantInput
from entitlements.access.reset_usage import reset_usage
from entitlements.access.selectors import active_at, entitlements_with_facts, ever_active
from entitlements.access.settle_managed import unsettled
from entitlements.access.values import value_of, values_at
from entitlements.access.void_grant import void_grant
from entitlements.models import Entitlement, EntitlementReset, Grant, UsageEvent
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.delete_subscription import delete_subscription
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.catalog.plan_selectors import terms_of_plan
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.entitle import entitled_by_subscriptions
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Subscription
from tests.scenarios.rolled_back import RolledBackStory
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile
from tests.support.entitlements import make_metered_feature
from tests.support.managed import entitling_plan

pytestmark = pytest.mark.django_db

START = at("2026-01-31T10:00")
PLANS = st.sampled_from([0, 1, 2, 0, 1, 2, 3])
TIMINGS = st.sampled_from(["immediate", "next_billing_cycle"])
MONTH = CADENCES["P1M"]
EXAMPLES = 8


class EntitledLife(RolledBackStory):
    """One customer, on one of three plans with the same usage periods, on one without a limit, or on none."""

    @initialize(zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
    def begin(self, zone):
        self.now, self.number = START, 0
        calls = make_metered_feature()
        make_default_profile()
        self.customer = make_customer(time_zone=zone)
        self.plans = [entitling_plan(calls, f"plan_{amount}", amount) for amount in (10, 100, 300)]
        self.plans.append(entitling_plan(calls, "unlimited", None, type="boolean", usagePeriod=None))
        self._do(lambda: self._subscribe(1))

    # -- time and usage

    @rule(hours=st.sampled_from([1, 30, 200, 800]))
    def wait(self, hours):
        self.now += timedelta(hours=hours)

    @rule(amount=st.integers(1, 120), hours=st.sampled_from([0, 5, 100]))
    def use(self, amount, hours):
        self.number += 1
        UsageEvent.objects.create(
            source="test",
            external_id=str(self.number),
            type="usage",
            subject="acme",
            time=max(self.now - timedelta(hours=hours), START),
            data={"amount": amount},
            ingested_at=self.now,
        )
        self.now += timedelta(minutes=1)

    # -- what is done to subscriptions

    @rule(plan=PLANS)
    def subscribe(self, plan):
        self._do(lambda: self._subscribe(plan))

    @rule(plan=PLANS, timing=TIMINGS, usage=st.sampled_from(["preserve", "preserve", "reset"]))
    def change(self, plan, timing, usage):
        self._act(change_plan, timing=timing, plan=self.plans[plan], usage=usage)

    @rule(plan=PLANS, hours=st.sampled_from([3, 90]))
    def change_in_the_past(self, plan, hours):
        timing = self.now - timedelta(hours=hours)
        self._act(change_plan, timing=timing, plan=self.plans[plan], past=timing)

    @rule(plan=PLANS, usage=st.sampled_from(["preserve", "reset"]))
    def schedule_a_change_and_take_it_back(self, plan, usage):
        current = self._current()
        if current is None or current.active_to is not None or current.pauses:
            return
        moments = [*self._past(), *self._future()]
        before = self._values(moments)
        self._act(change_plan, timing="next_billing_cycle", plan=self.plans[plan], usage=usage)
        self.now += timedelta(minutes=1)
        self._act(unschedule_cancelation)
        current.refresh_from_db()
        assert current.active_to is None
        assert self._values(moments) == before

    @rule(timing=TIMINGS)
    def cancel(self, timing):
        self._act(cancel_subscription, timing=timing)

    @rule()
    def take_back_the_end(self):
        self._act(unschedule_cancelation)

    @rule()
    def delete_what_has_not_begun(self):
        coming = Subscription.objects.filter(active_from__gt=self.now).first()
        if coming is not None:
            self._do(lambda: delete_subscription(subscription=coming))

    @rule(timing=TIMINGS)
    def pause(self, timing):
        self._act(pause_subscription, timing=timing)

    @rule(timing=TIMINGS)
    def resume(self, timing):
        self._act(resume_subscription, timing=timing)

    @rule(plan=PLANS)
    def edit(self, plan):
        [card] = terms_of_plan(self.plans[plan]).phases[0].rate_cards
        self._act(edit_subscription, timing="immediate", edits=[AddItem("phase_1", card)])

    # -- what staff do

    @rule(amount=st.integers(1, 90), keeps=st.booleans())
    def grant(self, amount, keeps):
        row = self._entitlement()
        terms = GrantInput(
            amount=Decimal(amount), effective_at=self.now, max_rollover=Decimal(amount) if keeps else Decimal(0)
        )
        if row is not None:
            self._do(lambda: create_grant(entitlement=row, grant=terms))
            self.now += timedelta(minutes=1)

    @rule()
    def void(self):
        grant = Grant.objects.filter(issued=False, voided_at=None).order_by("id").last()
        if grant is not None:
            self._do(lambda: void_grant(grant=grant))

    @rule(retain=st.booleans())
    def reset(self, retain):
        row = self._entitlement()
        if row is not None:
            self._do(lambda: reset_usage(entitlement=row, retain_anchor=retain))
            self.now += timedelta(minutes=1)

    # -- what must hold

    def check(self):
        wanted = entitled_by_subscriptions([self.customer.pk])
        assert unsettled(wanted) == {}
        ends = START
        for row in Entitlement.objects.filter(ever_active()).order_by("active_from"):
            assert row.active_from >= ends
            ends = row.active_to or ends
        row = self._entitlement()
        if row is None or row.type != "metered":
            return
        [burndown] = burndowns_of([row])
        counted = [grant.id for grant in burndown.timeline.grants]
        assert len(counted) == len(set(counted))
        lineage = self._lineage(row.managed_in)
        staff = Grant.objects.filter(issued=False, entitlement__managed_in__in=lineage)
        with_time = {grant.pk for grant in staff if grant.voided_at is None or grant.voided_at > grant.effective_at}
        assert with_time <= set(counted)
        value = values_at([row], self.now)[row.pk]
        assert value_of(Addressed.CUSTOMER, self.customer.key, row.feature_key, self.now) == value
        assert value.usage == self._used(row, lineage)
        assert value.total == value.usage - value.overage + value.balance

    def _used(self, row, lineage):
        """What was used since the last reset by the terms, by hand or by a change, or since the lineage began."""
        subscriptions = list(Subscription.objects.filter(pk__in=lineage))
        begun = min(each.active_from for each in Entitlement.objects.filter(ever_active(), managed_in__in=lineage))
        resets = list(EntitlementReset.objects.filter(entitlement__managed_in__in=lineage))
        moved = [each.anchor for each in resets if each.anchor is not None]
        anchor = max(moved, default=subscriptions[0].billing_anchor)
        by_change = Entitlement.objects.filter(
            managed_in__in=lineage, resets_usage=True, deleted_at=None, active_from__lte=self.now
        )
        since = [begun, period_at(anchor, row.time_zone, MONTH, self.now).start, *(each.at for each in resets)]
        since += [each.active_from for each in by_change]
        events = UsageEvent.objects.filter(time__gte=max(since), time__lt=self.now)
        unlimited = Entitlement.objects.filter(ever_active(), managed_in__in=lineage, type="boolean")
        return sum(
            (
                Decimal(each.data["amount"])
                for each in events
                if not any(free.active_from <= each.time < free.active_to for free in unlimited)
            ),
            Decimal(0),
        )

    def _lineage(self, subscription_id):
        """The subscriptions that changes of plan led through."""
        rows = {each.pk: each for each in Subscription.objects.all()}
        found = []
        while subscription_id is not None:
            found.append(subscription_id)
            subscription_id = rows[subscription_id].previous_id
        return found

    def _subscribe(self, plan):
        record_subscription(customer=self.customer, plan=self.plans[plan], active_from=self.now)

    def _act(self, service, *, past=None, **options):
        current = self._current()
        if current is not None:
            self._do(lambda: service(subscription=current, **options), past=past)

    def _do(self, act, *, past=None):
        """Try it now; what is refused changes nothing. What was before stays as it was."""
        until = past or self.now
        moments = [each for each in self._past() if each < until]
        before = self._values(moments)
        with clock.frozen_at(self.now):
            try:
                with transaction.atomic():
                    act()
            except BillingError:
                pass
            assert self._values(moments) == before
            self.check()

    def _past(self):
        return [START + timedelta(days=days) for days in range(0, 400, 20) if START + timedelta(days=days) < self.now]

    def _future(self):
        return [self.now + timedelta(days=days) for days in (2, 33, 70)]

    def _values(self, moments):
        found = []
        for moment in moments:
            row = entitlements_with_facts().filter(active_at(moment)).first()
            value = None if row is None else values_at([row], moment)[row.pk]
            found.append(value and (moment, value.balance, value.usage, value.overage, value.total))
        return found

    def _current(self):
        rows = Subscription.objects.filter(active_from__lte=self.now).order_by("active_from", "created_at", "id")
        return rows.last()

    def _entitlement(self):
        return entitlements_with_facts().filter(active_at(self.now)).first()


def test_lives_of_entitlements():
    story = settings(
        max_examples=EXAMPLES,
        stateful_step_count=14,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(EntitledLife, settings=story)
