"""Two transactions that settle one time of an item, neither of which sees the other's window: the second is refused."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg.types.range import TimestamptzRange

from invoicing.models import BilledWindow
from subscriptions.models import SubscriptionItem
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db(transaction=True)


def settle(item, start, end, *, before_the_end):
    """Settle this time of `item` in a transaction; "stored", or why it was refused."""
    try:
        with transaction.atomic():
            BilledWindow.objects.create(item=item, span=TimestamptzRange(at(start), at(end), "[)"), kind="waiver")
            before_the_end()
        return "stored"
    except IntegrityError as error:
        return str(error).partition(" of item")[0]


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def in_turn(item, first, second):
    """The answers of two transactions, of which the second begins once the first has written, and waits for its end."""
    written = Event()

    def until_the_other_waits():
        written.set()
        for _ in range(500):
            if somebody_waits():
                return
            Event().wait(0.01)
        raise AssertionError("The second transaction did not wait for the first.")

    def later():
        try:
            assert written.wait(10)
            return settle(item, *second, before_the_end=lambda: None)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(later)
        return settle(item, *first, before_the_end=until_the_other_waits), answer.result(20)


@pytest.fixture
def item(db):
    subscribe(make_plan(), "2026-03-01", bill=False)
    return SubscriptionItem.objects.first()


def test_of_two_transactions_that_settle_one_time_only_the_first_does(item):
    answers = in_turn(item, ("2026-03-01", "2026-04-01"), ("2026-03-16", "2026-04-16"))
    assert answers == ("stored", 'The time ["2026-03-16 00:00:00+00","2026-04-16 00:00:00+00")')
    assert BilledWindow.objects.count() == 1


def test_two_transactions_may_settle_times_that_touch(item):
    answers = in_turn(item, ("2026-03-01", "2026-04-01"), ("2026-04-01", "2026-05-01"))
    assert answers == ("stored", "stored")
