"""Beyond READ COMMITTED a trigger does not see what others have stored meanwhile, and refuses what it can't judge."""

import pytest
from django.db import NotSupportedError, connection, transaction
from psycopg.types.range import TimestamptzRange

from customers.models import Customer
from invoicing.models import BilledWindow, Invoice, InvoiceLine
from subscriptions.models import ItemRevision, SubscriptionItem
from tests.support.catalog import flat_plan, make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.in_turn import elsewhere
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db(transaction=True)

each_level = pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])


def settle(item, start, end):
    BilledWindow.objects.create(item=item, span=TimestamptzRange(at(start), at(end), "[)"), kind="waiver")


def refused(level, meanwhile, act):
    """In a transaction of that level, which has looked at the database before `meanwhile`, `act` is refused."""
    with pytest.raises(NotSupportedError, match=f"READ COMMITTED only: in {level} it"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert Customer.objects.exists()
        elsewhere(meanwhile)
        act()


@each_level
def test_a_time_that_was_settled_meanwhile_is_not_settled_twice(level):
    subscribe(make_excess_plan(), "2026-03-01", bill=False)
    item = SubscriptionItem.objects.earliest("running_number")
    refused(
        level,
        lambda: settle(item, "2026-03-01", "2026-04-01"),
        lambda: settle(item, "2026-03-16", "2026-04-16"),
    )
    assert BilledWindow.objects.count() == 1


@each_level
def test_a_customer_who_got_an_invoice_meanwhile_is_not_deleted(level):
    customer = make_customer(subjects=())
    refused(
        level,
        lambda: Invoice.objects.create(customer=customer, currency="EUR", status="gathering"),
        lambda: Customer.objects.filter(pk=customer.pk)._raw_delete("default"),
    )
    assert (Customer.objects.count(), Invoice.objects.count()) == (1, 1)


@each_level
def test_a_feature_that_one_subscription_got_meanwhile_is_not_given_to_another(level):
    first = subscribe(flat_plan("one", "10.00"), "2026-03-01", bill=False)
    subscribe(flat_plan("two", "20.00"), "2026-03-01", customer=first.customer, bill=False)
    one, two = ItemRevision.objects.order_by("id")
    give = ItemRevision.objects.filter
    refused(
        level,
        lambda: give(pk=one.pk).update(feature_key="calls"),
        lambda: give(pk=two.pk).update(feature_key="calls"),
    )
    assert ItemRevision.objects.filter(feature_key="calls").count() == 1


@each_level
def test_a_line_never_joins_an_invoice_that_was_made_meanwhile(level):
    """It may be issued already, which this transaction would not see."""
    subscribe(make_excess_plan(), "2026-03-01")
    line = InvoiceLine.objects.filter(invoice__issued_at__isnull=True).earliest("id")
    refused(level, lambda: None, lambda: InvoiceLine.objects.filter(pk=line.pk).update(name="Other"))
