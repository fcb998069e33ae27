"""Random months of a company, in which workers are killed: whatever its customers and its staff do, the books hold
after each of them, by `check_books` and by sums of the test's own (billing rules 13).

`COMPANY_MONTHS=200 COMPANY_CUSTOMERS=50 pytest -s tests/scenarios/test_company_life.py` tells a longer story than CI
does, `COMPANY_SEED=2` another one.
"""

import os
import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.scenarios import company_customers as customers
from tests.scenarios import company_desk as desk
from tests.scenarios.company_life import Act, CompanyWorld

MONTHS = int(os.environ.get("COMPANY_MONTHS", "0"))
CUSTOMERS = int(os.environ.get("COMPANY_CUSTOMERS", "8"))
SEED = os.environ.get("COMPANY_SEED", "1")

# How many times likelier than the rarest each act is.
WEIGHTS: dict[Act, int] = {
    customers.subscribe: 6,
    customers.change: 2,
    customers.edit: 2,
    customers.addon: 2,
    customers.pause: 1,
    customers.resume: 3,
    customers.cancel: 1,
    customers.unschedule: 2,
    customers.seats: 2,
    customers.report: 2,
    customers.use: 8,
    customers.use_late: 3,
    customers.reverse: 2,
    customers.use_and_reverse: 1,
    desk.split: 4,
    desk.bill_pending: 1,
    desk.watch: 2,
    desk.charge: 2,
    desk.add_to_draft: 2,
    desk.set_by_hand: 3,
    desk.snapshot: 2,
    desk.advance: 2,
    desk.approve: 3,
    desk.fail: 1,
    desk.retry: 3,
    desk.delete: 1,
    desk.card: 2,
    desk.collect: 1,
    desk.collect_from_new_card: 2,
    desk.bank: 4,
    desk.give_up: 1,
    desk.void: 2,
    desk.reissue: 2,
    desk.credit: 2,
    desk.bill_late: 2,
    desk.waive_late: 1,
    desk.move: 2,
    desk.park: 1,
    desk.release: 3,
}
ACTS = [(act.__name__, act) for act, weight in WEIGHTS.items() for _ in range(weight)]
# Of a year: at which of its writes a worker is killed in the close of which month; and at which the one that took over.
KILLS = {0: (9,), 2: (5, 25), 4: (40,), 6: (80, 10), 8: (17, 33), 10: (120,)}


class CompanyLife(RuleBasedStateMachine):
    """See `CompanyWorld`."""

    told: CompanyWorld
    months = 0
    fault: BaseException | None = None

    @initialize()
    def begin(self):
        CompanyLife.told = self.world = CompanyWorld(SEED, customers=CUSTOMERS)
        for customer in self.world.customers[: CUSTOMERS // 2]:
            self.world.act("subscribe", customers.subscribe, customer)

    @rule(seed=st.integers(0, 2**32))
    def month(self, seed):
        self.world.random.seed(f"{SEED} {self.months} {seed}")
        try:
            self.world.month(ACTS, kill_at=_kills(self.months))
        except BaseException as fault:
            # The first is the one: it can't be told again in a database that holds what came of it.
            CompanyLife.fault = CompanyLife.fault or fault
            raise
        CompanyLife.months += 1


def _kills(month: int) -> tuple[int, ...]:
    kills = KILLS.get(month % 12, ())
    return kills if MONTHS else kills if month == 0 else ()


@pytest.mark.django_db(transaction=True)
def test_the_books_hold_in_every_month_of_a_company():
    with suppress(Exception):
        run_state_machine_as_test(
            CompanyLife,
            settings=settings(
                max_examples=1,
                stateful_step_count=1 + (MONTHS or 6),
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    world = CompanyLife.told
    sys.stdout.write(f"{world.told()}\n")
    if CompanyLife.fault is not None:
        sys.stdout.write("\n".join(world.log[-1000:]) + "\n")
        raise CompanyLife.fault
    assert CompanyLife.months == (MONTHS or 6)
    assert world.done["killed in a run"] + world.done["killed elsewhere"] > 0
    if MONTHS * CUSTOMERS >= 1000:
        assert not [name for name in {name for name, _ in ACTS} if not world.done[name]]
