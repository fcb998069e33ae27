"""Two transactions that settle one time of an item, neither of which sees the other's window: the second is refused."""

from functools import partial

import pytest
from django.db import transaction
from psycopg.types.range import TimestamptzRange

from invoicing.models import BilledWindow, Invoice, InvoiceLine
from subscriptions.models import SubscriptionItem
from tests.support.catalog import make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.in_turn import elsewhere, in_turn
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


def test_all_items_that_one_statement_settles_are_kept_from_others(db):
    subscribe(make_excess_plan(), "2026-03-01", bill=False)
    items = list(SubscriptionItem.objects.order_by("id"))
    span = TimestamptzRange(at("2026-03-01"), at("2026-04-01"), "[)")
    for item in items:
        both = [BilledWindow(item=each, span=span, kind="waiver") for each in items]
        answers = in_turn(partial(BilledWindow.objects.bulk_create, both), settle(item, "2026-03-16", "2026-04-16"))
        assert (answers[0], answers[1].startswith("The time")) == ("stored", True)
        BilledWindow.objects.all().delete()


def test_an_item_whose_time_is_being_settled_gets_lines_and_revisions_without_waiting(item):
    """Whoever refers to it is not held up until the close has ended."""
    revision = item.revisions.get()
    invoice = Invoice.objects.create(customer=item.subscription.customer, currency="EUR", status="gathering")
    line = {"name": "Fee", "kind": "fee", "period_start": at("2026-03-01"), "period_end": at("2026-04-01")}
    with transaction.atomic():
        settle(item, "2026-03-01", "2026-04-01")()
        elsewhere(
            lambda: InvoiceLine.objects.create(
                invoice=invoice,
                item=item,
                subscription=item.subscription,
                revision=revision,
                invoice_at=at("2026-04-01"),
                **line,
            ),
            at_once=True,
        )
    assert InvoiceLine.objects.count() == 1
