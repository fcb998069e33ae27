"""Usage subjects that move to another customer in mid-period: each event counts once (billing rules 13, point 8)."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import UsageSubject
from customers.services.customer_input import CustomerInput
from entitlements.metering.usage_query import UsageQuery, query_usage
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.customer_guards.update_customer import update_customer
from invoicing.models import InvoiceLine
from invoicing.runs.run_due import run_due
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import run_check
from tests.support.catalog import make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer
from tests.support.usage import use

pytestmark = pytest.mark.django_db


@pytest.fixture
def metered(db):
    meter = make_meter()
    calls = make_feature(key="calls", meter=meter)
    price = {"type": "unit", "amount": "1.00"}
    return make_plan(cards=(usage_card(key="calls", name="Calls", feature=calls, price=price),)), meter


def subscribed(plan, key, *subjects):
    customer = make_customer(key=key, name=key.title(), subjects=subjects)
    with clock.frozen_at(at("2026-03-01")):
        record_subscription(customer=customer, plan=plan, active_from=at("2026-03-01"))
    return customer


def attribute(customer, on, *subjects):
    with clock.frozen_at(at(on)):
        given = CustomerInput(name=customer.name, key=customer.key, currency="EUR", subjects=subjects)
        update_customer(customer=customer, replacement=given)


def quantities():
    rows = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).order_by("invoice__customer__key")
    return {line.invoice.customer.key: line.quantity for line in rows.select_related("invoice__customer")}


def test_usage_before_a_subject_moves_stays_with_the_customer_that_had_it(metered):
    plan, meter = metered
    old, new = subscribed(plan, "old", "robot", "other"), subscribed(plan, "new", "mine")
    use("2026-03-10", 5, "robot")
    attribute(old, "2026-03-16", "other")
    attribute(new, "2026-03-18", "mine", "robot")
    use("2026-03-17", 30, "robot")
    use("2026-03-20", 700, "robot")
    with clock.frozen_at(at("2026-04-01")):
        run_due(as_of=at("2026-04-01"))
    # What came while nobody had it is the next owner's.
    assert quantities() == {"old": Decimal(5), "new": Decimal(730)}
    by_customer = query_usage(meter, UsageQuery(group_by=("customerId",)))
    assert {row.groups[0]: row.value for row in by_customer} == {old.id: Decimal(5), new.id: Decimal(730)}
    assert [row.value for row in query_usage(meter, UsageQuery(customers=[new.id]))] == [Decimal(730)]
    code, said = run_check(now="2026-04-01")
    assert code == 0, said


def test_a_subject_that_comes_back_has_its_usage_counted_once(metered):
    plan, _ = metered
    customer = subscribed(plan, "old", "robot")
    use("2026-03-10", 5, "robot")
    attribute(customer, "2026-03-16", "other")
    attribute(customer, "2026-03-18", "robot")
    use("2026-03-17", 30, "robot")
    use("2026-03-20", 700, "robot")
    with clock.frozen_at(at("2026-04-01")):
        run_due(as_of=at("2026-04-01"))
    assert quantities() == {"old": Decimal(735)}


@pytest.mark.parametrize("by", ["update", "delete"])
def test_a_subject_of_a_customer_who_never_subscribed_takes_its_usage_along(metered, by):
    plan, _ = metered
    slip, new = make_customer(key="slip", name="Slip", subjects=("robot",)), subscribed(plan, "new", "mine")
    use("2026-03-10", 5, "robot")
    if by == "update":
        attribute(slip, "2026-03-16", "another")
    else:
        delete_customer(customer=slip)
    attribute(new, "2026-03-18", "robot")
    with clock.frozen_at(at("2026-04-01")):
        run_due(as_of=at("2026-04-01"))
    assert quantities() == {"new": Decimal(5)}


def test_check_books_finds_usage_that_is_two_customers(metered):
    subscribed(metered[0], "old", "robot")
    new = make_customer(key="new", name="New", subjects=())
    UsageSubject.objects.create(customer=new, key="robot", active_from=at("2026-03-10"), deleted_at=at("2026-03-12"))
    code, said = run_check("--only", "8", now="2026-03-01")
    assert code == 1
    assert "Usage subject robot: its usage is attributed to New at a time at which it is another customer's" in said
