"""Who is due is a matter of the customer: one row for each currency, right however it is written (billing rules 6)."""

from importlib import import_module

import pytest
from django.db import connection

from core import clock
from invoicing.models import BillingDue, Invoice
from invoicing.runs.advance_clock import next_moment
from invoicing.runs.due_customers import due_customers
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import close
from tests.support.customers import make_customer
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def due_times(customer=None):
    rows = BillingDue.objects.order_by("customer__key", "currency")
    return list((rows.filter(customer=customer) if customer else rows).values_list("currency", "due_at"))


def written():
    """Where PostgreSQL keeps each row, and by which transaction: both change with every write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, ctid, xmin FROM invoicing_billingdue ORDER BY id")
        return cursor.fetchall()


def due_on(day):
    return list(due_customers(at(day)))


@pytest.fixture
def acme():
    """30.00 on the first of each month, billed for April."""
    return subscribe(flat_plan("basic", "30.00"), "2026-04-01").customer


def test_a_close_sets_the_time_and_a_second_one_writes_nothing(acme):
    assert due_times() == [("EUR", at("2026-05-01"))]
    close(acme, "2026-05-01")
    assert due_times() == [("EUR", at("2026-06-01"))]
    before = written()
    close(acme, "2026-05-01")
    assert written() == before


def test_nothing_but_the_row_makes_anybody_due(acme):
    assert due_on("2026-05-01") == [acme]
    assert next_moment(after=at("2026-04-02")) == at("2026-05-01")
    BillingDue.objects.all().delete()
    assert (due_on("2026-05-01"), next_moment(after=at("2026-04-02"))) == ([], None)


def test_each_currency_has_a_time_of_its_own(acme):
    customer = make_customer(key="globex", currency=None)
    subscribe(flat_plan("euros", "30.00"), "2026-04-01", customer=customer)
    customer.currency = None
    customer.save()
    subscribe(flat_plan("dollars", "40.00", currency="USD"), "2026-04-17", customer=customer)
    assert due_times(customer) == [("EUR", at("2026-05-01")), ("USD", at("2026-05-17"))]
    close(customer, "2026-05-01")
    assert due_times(customer) == [("EUR", at("2026-06-01")), ("USD", at("2026-05-17"))]


def test_a_subscription_written_by_any_door_makes_its_customer_due_earlier_and_never_later(acme):
    Subscription.objects.update(next_billing_at=at("2026-05-03"))
    assert due_times() == [("EUR", at("2026-05-01"))]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subscriptions_subscription SET next_billing_at = '2026-04-20'")
    assert due_times() == [("EUR", at("2026-04-20"))]
    subscription = Subscription.objects.get()
    subscription.pk, subscription.next_billing_at = None, at("2026-04-19")
    subscription._state.adding = True
    Subscription.objects.bulk_create([subscription])
    assert due_times() == [("EUR", at("2026-04-19"))]


def test_a_look_in_vain_sets_the_time_right_again(acme):
    Subscription.objects.update(next_billing_at=at("2026-04-20"))
    assert due_on("2026-04-20") == [acme]
    close(acme, "2026-04-20")
    assert due_times() == [("EUR", at("2026-05-01"))]
    assert Invoice.objects.exclude(status="gathering").count() == 1


def test_facts_that_change_are_looked_at_also_where_the_next_billing_stays(acme):
    BillingDue.objects.update(due_at=at("2026-06-01"))
    Subscription.objects.update(updated_at=clock.now())
    assert due_times() == [("EUR", at("2026-05-01"))]


def test_who_has_nothing_more_to_bill_is_due_no_more(acme):
    BillingDue.objects.create(customer=acme, currency="USD", due_at=at("2026-04-20"))
    assert due_on("2026-04-20") == [acme]
    close(acme, "2026-04-20")
    assert due_times() == [("EUR", at("2026-05-01"))]


def test_the_migration_makes_those_due_who_were_there_before_it(acme):
    migration = import_module("invoicing.migrations.0030_due_by_every_door")
    other = subscribe(flat_plan("other", "5.00"), "2026-04-17", customer=make_customer(key="globex"), bill=False)
    BillingDue.objects.filter(customer=acme).delete()
    BillingDue.objects.filter(customer=other.customer).update(due_at=at("2026-04-10"))
    migration.fill(None, None)
    assert due_times(acme) == [("EUR", at("2026-05-01"))]
    assert due_times(other.customer) == [("EUR", at("2026-04-10"))]


def test_a_run_that_is_worked_after_a_change_leaves_what_the_change_has_planned():
    """A run as of midnight; at 00:20 the plan is changed, at 00:30 the run comes to the customer. The fee of June is
    still billed on 16 June, and not when the year of usage is over."""
    calls = make_feature(key="calls", name="Calls", meter=make_meter())
    usage = usage_card(
        key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": "1.00"}, billing_cadence="P1Y"
    )
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-16")
    pro = flat_plan("pro", None, cards=(flat_card(name="Pro fee", price=fee("50.00")), usage))
    with clock.frozen_at(at("2026-05-16")):
        run = start_run(as_of=at("2026-05-16"), trigger="schedule")
    change(subscription, pro, "2026-05-16T00:20")
    waiting = due_times()
    with clock.frozen_at(at("2026-05-16T00:30")):
        for shard in run.shards.all():
            work_shard(shard.pk)
    assert due_times() == waiting == [("EUR", at("2026-06-16"))]
    assert_books_are_clean("2026-05-16T01:00")
