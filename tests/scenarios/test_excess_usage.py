"""Billing rules 4 as a story: two items, one bill."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice, InvoiceLine
from subscriptions.lifecycle.record_report import record_report
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db


def issued():
    return list(Invoice.objects.filter(issued_at__isnull=False).order_by("sequence"))


def test_an_excess_item_and_the_month_ahead_come_on_one_bill():
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        subscription = record_subscription(customer=customer, plan=make_excess_plan(), active_from=at("2026-03-17"))
        outcomes = close_customers([customer.id], as_of=at("2026-03-17"))
    assert [outcome.outcome for outcome in outcomes] == ["invoiced"]
    [first] = issued()
    assert (first.number, str(first.total), first.issued_at) == ("INV-000001", "50.00", at("2026-03-17"))

    with clock.frozen_at(at("2026-04-16T22:00")):
        item = subscription.items.get(running_number=2)
        record_report(item=item, quantity=Decimal(200))
        close_customers([customer.id], as_of=at("2026-04-16T22:00"))
    assert len(issued()) == 1

    with clock.frozen_at(at("2026-04-17")):
        close_customers([customer.id], as_of=at("2026-04-17"))
    [_, second] = issued()
    assert (second.number, str(second.total)) == ("INV-000002", "58.00")
    lines = second.lines.order_by("position")
    assert [(line.name, str(line.total), line.period_start) for line in lines] == [
        ("Base fee", "50.00", at("2026-04-17")),
        ("Excess storage", "8.00", at("2026-03-17")),
    ]

    before = list(InvoiceLine.objects.order_by("id").values())
    with clock.frozen_at(at("2026-04-17")):
        [outcome] = close_customers([customer.id], as_of=at("2026-04-17"))
    assert outcome.outcome == "nothing"
    assert len(issued()) == 2
    assert list(InvoiceLine.objects.order_by("id").values()) == before
