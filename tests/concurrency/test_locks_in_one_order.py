"""Statements that lock several rows do so in the order of their ids, whatever order the rows lie in.

Each test lets one transaction take two rows one after the other, as two statements do, while another one asks for both
in one statement. The rows lie in the table the other way round than their ids say: a statement that locked them as it
finds them would hold the second when the first is asked for, and each would wait for the other.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction
from django.db.models import F
from psycopg.types.range import TimestamptzRange

from customers.models import Customer
from invoicing.models import BilledWindow, Invoice
from subscriptions.models import SubscriptionItem
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.in_turn import somebody_waits
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db(transaction=True)


def move_to_the_end(row, column):
    """Write the row anew, so that it lies behind the others."""
    type(row).objects.filter(pk=row.pk).update(**{column: F(column)})


def one_after_the_other_and_both(first, second, both):
    """`first`, then `second` once somebody waits, in one transaction, while `both` runs in another one. Raises what the
    database says of either."""
    begun = Event()

    def at_once():
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    # As the rows lie, and not as an index has them.
                    cursor.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
                assert begun.wait(10)
                both()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(at_once)
        with transaction.atomic():
            first()
            begun.set()
            for _ in range(500):
                if somebody_waits():
                    break
                Event().wait(0.01)
            else:
                raise AssertionError("Nobody waits for the first row.")
            second()
        other.result(20)


def window(item, start, end):
    return BilledWindow(item=item, span=TimestamptzRange(at(start), at(end), "[)"), kind="waiver")


def test_who_settles_two_items_in_one_statement_and_who_does_in_two_wait_for_each_other_in_one_order():
    subscribe(make_excess_plan(), "2026-03-01", bill=False)
    first, second = SubscriptionItem.objects.order_by("id")
    move_to_the_end(first, "running_number")
    one_after_the_other_and_both(
        lambda: window(first, "2026-03-01", "2026-04-01").save(),
        lambda: window(second, "2026-03-01", "2026-04-01").save(),
        lambda: BilledWindow.objects.bulk_create(
            [window(second, "2026-04-01", "2026-05-01"), window(first, "2026-04-01", "2026-05-01")]
        ),
    )
    assert BilledWindow.objects.count() == 4


def test_who_refers_to_two_parents_in_one_statement_and_who_locks_them_in_two_wait_in_one_order():
    first, second = (make_customer(key=key, name=key) for key in ("one", "two"))
    move_to_the_end(first, "name")

    def lock(customer):
        return lambda: Customer.objects.select_for_update().get(pk=customer.pk)

    one_after_the_other_and_both(
        lock(first),
        lock(second),
        lambda: Invoice.objects.bulk_create(
            [Invoice(customer=customer, currency="EUR", status="gathering") for customer in (second, first)]
        ),
    )
    assert Invoice.objects.count() == 2
