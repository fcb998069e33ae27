"""What happens to a balance where two things fall on one moment (billing rules 9)."""

from decimal import Decimal

import pytest

from core import clock
from entitlements.access.reset_usage import reset_usage
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.entitlements import entitle, figures, give, make_metered_feature
from tests.support.managed import current, entitling_plan, have, rows
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(db):
    return make_metered_feature()


def test_a_change_of_plan_at_the_second_of_a_reset_comes_with_it(calls):
    started = subscribe(entitling_plan(calls, amount=100), bill=False)
    give(current("2026-04-01"), "50", "2026-04-01", max_rollover=Decimal(20))
    use("2026-04-05", 120)  # 30 of the 50 are left, of which a reset keeps 20
    change(started, entitling_plan(calls, "starter", 300), "2026-05-01")
    assert rows() == [("free", "04-01", "05-01"), ("starter", "05-01", None)]
    assert have("2026-04-30") == (True, "150", "120", "30", "0")
    assert have("2026-05-01") == (True, "320", "0", "320", "0")
    use("2026-05-01", 1)
    assert have("2026-05-02") == (True, "320", "1", "319", "0")
    assert have("2026-06-01") == (True, "320", "0", "320", "0")


def test_the_terms_before_say_whether_that_reset_keeps_the_overage(calls):
    started = subscribe(entitling_plan(calls, amount=100, preserveOverageAtReset=True), bill=False)
    use("2026-04-05", 120)
    change(started, entitling_plan(calls, "starter", 300), "2026-05-01")
    assert have("2026-05-01") == (True, "300", "0", "280", "0")


def test_a_change_at_the_second_of_a_reset_by_hand_keeps_its_anchor(calls):
    started = subscribe(entitling_plan(calls, amount=100), bill=False)
    use("2026-04-05", 120)
    with clock.frozen_at(at("2026-04-16")):
        reset_usage(entitlement=current("2026-04-16"))
    change(started, entitling_plan(calls, "starter", 300), "2026-04-16")
    assert have("2026-04-16") == (True, "300", "0", "300", "0")
    use("2026-04-17", 5)
    assert have("2026-05-15") == (True, "300", "5", "295", "0")
    assert have("2026-05-16") == (True, "300", "0", "300", "0")


def test_a_grant_that_expires_at_a_reset_is_gone_before_it_rolls_over(calls):
    entitlement = entitle(make_customer())
    give(entitlement, "10", expiration=("MONTH", 1), max_rollover=Decimal(10), priority=0)
    give(entitlement, "10", expiration=("MONTH", 2), max_rollover=Decimal(10), min_rollover=Decimal(10))
    use("2026-04-03", 5)
    assert [figures(entitlement, f"2026-{day}")[3] for day in ("04-30", "05-01", "06-01")] == ["115", "110", "100"]


def test_a_grant_from_before_the_last_reset_covers_what_was_over_then(calls):
    entitlement = entitle(make_customer(), preserve_overage=True)
    use("2026-04-03", 130)
    use("2026-05-03", 10)
    # 30 over in April, taken from what May begins with.
    assert figures(entitlement, "2026-05-05") == (True, "100", "10", "60", "0")
    give(entitlement, "50", "2026-05-05", effective_at=at("2026-04-02"), max_rollover=Decimal(50))
    # 30 of the 50 in April; 20 roll over.
    assert figures(entitlement, "2026-05-05") == (True, "120", "10", "110", "0")


def test_overage_that_is_larger_than_a_refill_stays_beside_grants_that_roll_over(calls):
    entitlement = entitle(make_customer(), preserve_overage=True, soft_limit=True)
    use("2026-04-03", 260)
    give(entitlement, "30", "2026-04-20", effective_at=at("2026-04-20"), max_rollover=Decimal(30), priority=2)
    # 160 over, of which the 30 cover some at once; May's 100 cover more.
    assert figures(entitlement, "2026-04-21") == (True, "130", "260", "0", "130")
    assert figures(entitlement, "2026-05-01") == (True, "100", "0", "0", "30")
    assert figures(entitlement, "2026-06-01") == (True, "100", "0", "70", "0")
