"""Random lives of a subscription: whatever happens, in whichever order, the books hold after every step.

`LIFE_STORIES=500 pytest tests/scenarios/test_life_stories.py` tells other, longer stories than CI does.
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.scenarios.life import World
from tests.scenarios.rolled_back import RolledBackStory
from tests.support.clock import at

DAY = 86_400
STORIES = int(os.environ.get("LIFE_STORIES", "0"))

WHICH = st.sampled_from([0, 0, 0, 0, 0, 1, 2])
PLANS = st.integers(0, 4)
TIMING = st.sampled_from(
    ["immediate", "immediate", "immediate", "next_billing_cycle", -3 * DAY, -3600, -1, DAY, 20 * DAY, 40 * DAY]
)
SEATS = st.sampled_from(["0", "1", "3", "8", "2.5"])
STARTS = st.sampled_from(
    ["2026-01-01", "2026-01-31", "2028-01-31", "2026-03-28T01:30", "2026-10-24T00:30", "2027-12-31T23:00", "2028-02-29"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])


class Life(RolledBackStory):
    """Steps that make no sense are refused by the services; then nothing may have changed. See `World`."""

    @initialize(
        start=STARTS,
        hours=st.sampled_from([0, 5, 13]),
        zone=ZONES,
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        tax=st.sampled_from(["none", "exclusive", "inclusive"]),
        draft_period=st.sampled_from(["PT0S", "PT0S", "P1D", "P3D"]),
        interval=st.sampled_from(["PT0S", "PT0S", "PT1H", "P2D"]),
        plan=PLANS,
        days=st.sampled_from([0, 0, -3, -40, 2]),
        anchor=st.sampled_from([None, None, 0, 5, 17]),
        seats=SEATS,
    )
    def begin(self, start, hours, zone, currency, tax, draft_period, interval, plan, days, anchor, seats):
        self.world = World(
            start=at(start) + timedelta(hours=hours),
            zone=zone,
            currency=currency,
            tax=tax,
            draft_period=draft_period,
            interval=interval,
        )
        self.world.subscribe(plan, days, anchor, seats)

    @rule(seconds=st.sampled_from([0, 1, 3600, DAY, 3 * DAY, 10 * DAY, 16 * DAY, 31 * DAY, 45 * DAY]))
    def wait(self, seconds):
        self.world.wait(seconds)

    @rule(which=WHICH, off=st.sampled_from([0, 0, -1, 1, 3600]))
    def wait_until_boundary(self, which, off):
        self.world.wait_until_boundary(which, off)

    @rule()
    def close(self):
        self.world.close()

    @rule(which=WHICH, off=st.sampled_from([0, 1, 3600]))
    def close_at_boundary(self, which, off):
        self.world.wait_until_boundary(which, off)
        self.world.close()

    @rule(
        amount=st.sampled_from(["1", "7.5", "25", "0.333", "100"]), ago=st.sampled_from([0, 1, 3600, 3 * DAY, 20 * DAY])
    )
    def use(self, amount, ago):
        self.world.use(amount, ago)

    @rule(which=WHICH, plan=PLANS, timing=TIMING, usage=st.sampled_from(["preserve", "reset"]))
    def change(self, which, plan, timing, usage):
        self.world.change(which, plan, timing, usage)

    @rule(which=WHICH, timing=TIMING)
    def cancel(self, which, timing):
        self.world.cancel(which, timing)

    @rule(which=WHICH)
    def unschedule(self, which):
        self.world.unschedule(which)

    @rule(which=WHICH, timing=TIMING)
    def pause(self, which, timing):
        self.world.pause(which, timing)

    @rule(which=WHICH, timing=TIMING)
    def resume(self, which, timing):
        self.world.resume(which, timing)

    @rule(
        which=WHICH,
        kind=st.sampled_from(["seats", "usage", "remove"]),
        amount=st.sampled_from(["3.33", "15", "0.07"]),
        timing=TIMING,
    )
    def edit(self, which, kind, amount, timing):
        self.world.edit(which, kind, amount, timing)

    @rule(
        which=WHICH,
        quantity=SEATS,
        mode=st.sampled_from(["aligned", "extended", "next", "backdated"]),
        coupon=st.sampled_from([None, None, 0, 1, 2]),
        back=st.sampled_from([1, DAY, 15 * DAY, 40 * DAY]),
    )
    def seats(self, which, quantity, mode, coupon, back):
        self.world.seats(which, quantity, mode, coupon, back)

    @rule(which=WHICH, quantity=st.sampled_from(["0", "13", "700.5"]), back=st.sampled_from([None, None, 20 * DAY]))
    def report(self, which, quantity, back):
        self.world.report(which, quantity, back)

    @rule(which=WHICH, quantity=st.integers(0, 3), timing=TIMING)
    def addon(self, which, quantity, timing):
        self.world.addon_quantity(which, quantity, timing)

    @rule()
    def bill_pending(self):
        self.world.bill_pending()

    @rule(number=st.integers(0, 2), rebill=st.booleans())
    def drop_draft(self, number, rebill):
        self.world.drop_draft(number, rebill)

    @rule(number=st.integers(0, 2))
    def approve(self, number):
        self.world.approve(number)

    @rule()
    def park_or_release(self):
        self.world.park()

    @rule(
        draft_period=st.sampled_from(["PT0S", "P1D", "P3D"]),
        interval=st.sampled_from(["PT0S", "PT1H", "P2D"]),
        auto=st.booleans(),
    )
    def settings(self, draft_period, interval, auto):
        self.world.settings(draft_period, interval, auto)

    @rule()
    def by_bank(self):
        self.world.by_bank()


@pytest.mark.django_db
def test_the_books_hold_through_any_life_of_a_subscription():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=STORIES or 5,
            stateful_step_count=30 if STORIES else 12,
            derandomize=not STORIES,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if STORIES else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
