"""Random lives of usage that is billed in parts: whatever becomes of the subscription, its drafts and invoices between
the splits, the books hold (billing rules 7 and 13).

`LIFE_STORIES=500 pytest tests/scenarios/test_stories_in_parts.py` tells other, longer stories than CI does.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from tests.scenarios.life_of_usage import UsageWorld
from tests.scenarios.test_usage_stories import DAY, STORIES, UsageLife
from tests.support.conservation import UsageLedger


class NoLedger(UsageLedger):
    """The ledger reckons by windows; a part takes up what comes late for another one. What holds is for the books."""

    def balance(self, now: datetime) -> Any:
        return {}

    def is_late(self, problems: list[str]) -> None:
        """Whatever is late waits for a decision."""


class PartsWorld(UsageWorld):
    """A world whose usage is billed in mid-period, too."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.usage = NoLedger()

    def split(self, ago: int) -> None:
        as_of = self.now - timedelta(seconds=ago)
        self._act(
            f"split at {as_of}", lambda: invoice_pending_lines(customer=self.customer, as_of=as_of, progressive=True)
        )


class LifeInParts(UsageLife):
    """See `PartsWorld`."""

    world_of = PartsWorld
    world: PartsWorld

    @rule(ago=st.sampled_from([0, 0, 0, 3600, 3 * DAY]))
    def split(self, ago):
        self.world.split(ago)

    @rule(amount=st.sampled_from(["1", "25"]), seconds=st.sampled_from([3600, DAY]))
    def use_and_split(self, amount, seconds):
        self.world.use(amount, 60)
        self.world.wait(seconds)
        self.world.split(0)


@pytest.mark.django_db
def test_the_books_hold_in_any_life_in_parts():
    run_state_machine_as_test(
        LifeInParts,
        settings=settings(
            max_examples=STORIES or 3,
            stateful_step_count=30 if STORIES else 12,
            derandomize=not STORIES,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if STORIES else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
