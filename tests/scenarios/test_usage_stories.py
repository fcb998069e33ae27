"""Random lives of usage: however late it comes, by whichever subject, and whatever becomes of the periods, drafts and
invoices it was billed on, each event is billed, waived, open or late (billing rules 13, point 8).

`LIFE_STORIES=500 pytest tests/scenarios/test_usage_stories.py` tells other, longer stories than CI does.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.scenarios.life_of_usage import UsageWorld
from tests.scenarios.rolled_back import RolledBackStory
from tests.support.clock import at

DAY = 86_400
STORIES = int(os.environ.get("LIFE_STORIES", "0"))

WHICH = st.sampled_from([0, 0, 0, 1])
PLANS = st.integers(0, 4)
TIMING = st.sampled_from(["immediate", "immediate", "next_billing_cycle", DAY, 20 * DAY])
AMOUNT = st.sampled_from(["1", "7.5", "25", "0.333", "100"])
AGO = st.sampled_from([0, 1, 3600, 3 * DAY, 20 * DAY])


class UsageLife(RolledBackStory):
    """See `UsageWorld`."""

    world_of: type[UsageWorld] = UsageWorld

    @initialize(
        start=st.sampled_from(["2026-01-01", "2026-01-31", "2026-03-28T01:30", "2026-10-24T00:30"]),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
        tax=st.sampled_from(["none", "inclusive"]),
        draft_period=st.sampled_from(["PT0S", "PT0S", "P1D"]),
        interval=st.sampled_from(["PT0S", "PT0S", "P2D"]),
        unpaid=st.booleans(),
        plan=PLANS,
        amount=AMOUNT,
    )
    def begin(self, start, zone, tax, draft_period, interval, unpaid, plan, amount):
        self.world = self.world_of(
            start=at(start), zone=zone, currency="EUR", tax=tax, draft_period=draft_period, interval=interval
        )
        if unpaid:
            self.world.by_bank()
        self.world.subscribe(plan, 0, None, "3")
        self.world.wait(3 * DAY)
        self.world.use(amount, DAY)

    @rule(seconds=st.sampled_from([1, 3600, DAY, 3 * DAY, 10 * DAY, 31 * DAY]))
    def wait(self, seconds):
        self.world.wait(seconds)

    @rule(which=WHICH, off=st.sampled_from([0, 1, 3600, 3 * DAY]))
    def close_at_boundary(self, which, off):
        self.world.wait_until_boundary(which, off)
        self.world.close()

    @rule(amount=AMOUNT, ago=AGO)
    def use(self, amount, ago):
        self.world.use(amount, ago)

    @rule(amount=AMOUNT, window=st.integers(0, 2), ago=AGO)
    def use_late(self, amount, window, ago):
        self.world.use_late(amount, window, ago)

    @rule(amount=AMOUNT, ago=AGO)
    def use_elsewhere(self, amount, ago):
        self.world.use_elsewhere(amount, ago)

    @rule(subjects=st.sampled_from([["acme"], ["acme", "acme-eu"], ["acme-eu"]]))
    def attribute(self, subjects):
        self.world.attribute(subjects)

    @rule(which=WHICH, seconds=st.sampled_from([3600, 5 * DAY]), amount=AMOUNT, ago=st.sampled_from([1, 3 * DAY]))
    def close_late(self, which, seconds, amount, ago):
        self.world.wait_until_boundary(which, 0)
        self.world.close_late(seconds, amount, ago)

    @rule(which=WHICH, plan=PLANS, timing=TIMING, usage=st.sampled_from(["preserve", "reset"]))
    def change(self, which, plan, timing, usage):
        self.world.change(which, plan, timing, usage)

    @rule(which=WHICH, amount=st.sampled_from(["3.33", "0.07"]), timing=TIMING)
    def edit(self, which, amount, timing):
        self.world.edit(which, "usage", amount, timing)

    @rule(which=WHICH, timing=TIMING)
    def pause(self, which, timing):
        self.world.pause(which, timing)

    @rule(which=WHICH, timing=TIMING)
    def resume(self, which, timing):
        self.world.resume(which, timing)

    @rule(which=WHICH, timing=TIMING)
    def cancel(self, which, timing):
        self.world.cancel(which, timing)

    @rule(which=WHICH)
    def take_back_end(self, which):
        self.world.take_back_end(which)

    @rule(number=st.integers(0, 2), rebill=st.booleans())
    def drop_draft(self, number, rebill):
        self.world.drop_draft(number, rebill)

    @rule(number=st.integers(0, 2))
    def collect_early(self, number):
        self.world.collect_early(number)

    @rule(number=st.integers(0, 2))
    def void(self, number):
        self.world.void(number)

    @rule(draft_period=st.sampled_from(["PT0S", "P1D"]), interval=st.sampled_from(["PT0S", "P2D"]), auto=st.booleans())
    def settings(self, draft_period, interval, auto):
        self.world.settings(draft_period, interval, auto)


@pytest.mark.django_db
def test_no_usage_is_lost_in_any_life():
    run_state_machine_as_test(
        UsageLife,
        settings=settings(
            max_examples=STORIES or 4,
            stateful_step_count=30 if STORIES else 12,
            derandomize=not STORIES,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if STORIES else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
