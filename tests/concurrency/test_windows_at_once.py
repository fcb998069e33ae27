"""Two transactions that settle one time of an item, neither of which sees the other's window: the second is refused."""

import pytest
from psycopg.types.range import TimestamptzRange

from invoicing.models import BilledWindow
from subscriptions.models import SubscriptionItem
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.in_turn import in_turn
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def item(db):
    subscribe(make_plan(), "2026-03-01", bill=False)
    return SubscriptionItem.objects.get()


def settle(item, start, end):
    span = TimestamptzRange(at(start), at(end), "[)")
    return lambda: BilledWindow.objects.create(item=item, span=span, kind="waiver")


def test_of_two_transactions_that_settle_one_time_only_the_first_does(item):
    first, second = in_turn(settle(item, "2026-03-01", "2026-04-01"), settle(item, "2026-03-16", "2026-04-16"))
    assert first == "stored"
    assert second.startswith('The time ["2026-03-16 00:00:00+00","2026-04-16 00:00:00+00") of item')
    assert BilledWindow.objects.count() == 1


def test_two_transactions_may_settle_times_that_touch(item):
    answers = in_turn(settle(item, "2026-03-01", "2026-04-01"), settle(item, "2026-04-01", "2026-05-01"))
    assert answers == ("stored", "stored")
