"""Many customers on one plan, and workers that bill them at the same time, each over its own connection."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.db import connection

from core import clock
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride, Supplier
from entitlements.models import UsageEvent
from invoicing.models import Invoice, NumberSeries, ParkedCustomer
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import run_check
from tests.support.catalog import flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

START = at("2026-03-01")
CLOSE = at("2026-04-01")


def make_crowd(number: int) -> list[Customer]:
    """Customers on 29.90 a month in arrears and 0.25 a call, with three calls each: 30.65 on 1 April."""
    with clock.frozen_at(at("2026-02-01")):
        make_default_profile()
        calls = make_feature(key="calls", name="Calls", meter=make_meter())
        fee = {"type": "flat", "amount": "29.90", "paymentTerm": "in_arrears"}
        plan = make_plan(
            cards=(
                flat_card(price=fee),
                usage_card(key="calls", name="Calls", feature=calls, price={"type": "unit", "amount": "0.25"}),
            )
        )
    customers = []
    for index in range(number):
        with clock.frozen_at(START):
            customer = make_customer(key=f"c{index}", name=f"Customer {index}")
            record_subscription(customer=customer, plan=plan, active_from=START)
        customers.append(customer)
    UsageEvent.objects.bulk_create(
        UsageEvent(
            source="test",
            external_id=customer.key,
            type="usage",
            subject=customer.key,
            time=at("2026-03-10"),
            data={"amount": "3"},
            ingested_at=at("2026-03-10"),
        )
        for customer in customers
    )
    return customers


def second_supplier(customers: Sequence[Customer]) -> BillingProfile:
    """Pin these customers to a profile with a supplier, and so a number series, of its own."""
    supplier = Supplier.objects.create(name="Other", invoice_prefix="ALT", credit_note_prefix="ALTCN")
    profile = BillingProfile.objects.create(
        name="Other", supplier=supplier, app=BillingApp.objects.create(type="sandbox", name="Other")
    )
    for customer in customers:
        CustomerOverride.objects.create(customer=customer, billing_profile=profile)
    return profile


def at_once(*acts: Callable[[], Any], now: datetime = CLOSE) -> list[Any]:
    """Run every act in a thread of its own, all starting together at the time of the close; their results."""
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            together.wait(timeout=30)
            with clock.frozen_at(now):
                return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result(timeout=120) for done in [pool.submit(run, act) for act in acts]]


def assert_each_billed_once(customers: Sequence[Customer], *, total: str = "30.65") -> None:
    """Exactly one issued invoice each, of that total; nobody parked; series gapless; the books right."""
    issued = Invoice.objects.filter(issued_at__isnull=False)
    billed = sorted(issued.values_list("customer_id", flat=True))
    assert billed == sorted(customer.id for customer in customers)
    assert {str(found) for found in issued.values_list("total", flat=True)} == {total}
    assert not ParkedCustomer.objects.exists()
    assert_gapless()
    code, said = run_check(now="2026-04-01T00:05")
    assert code == 0, said


def assert_gapless() -> None:
    """Every series runs from 1 without a gap, and its counter stands at the next number."""
    for series in NumberSeries.objects.all():
        sequences = list(series.invoices.order_by("sequence").values_list("sequence", flat=True))
        assert sequences == list(range(1, series.next_number))
