"""Two workers at once bill everyone once: the same customers, the same run, two series, an update beside the close."""

from contextlib import suppress
from decimal import Decimal
from functools import partial
from threading import Barrier, BrokenBarrierError

import pytest
from django.db import transaction

from customers.models import Supplier
from invoicing.choices import SeriesKind
from invoicing.closing.close_customers import close_customers
from invoicing.lifecycle.numbering import take_blocks
from invoicing.models import BillingRun, Invoice, InvoiceLine, NumberSeries, RunShard
from invoicing.runs.run_due import close_now
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import Subscription
from tests.support.crowd import (
    CLOSE,
    assert_each_billed_once,
    assert_gapless,
    at_once,
    make_crowd,
    second_supplier,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_closes_of_the_same_customers_bill_each_once():
    customers = make_crowd(60)
    ids = [customer.id for customer in customers]
    outcomes = at_once(
        partial(close_customers, ids, as_of=CLOSE), partial(close_customers, list(reversed(ids)), as_of=CLOSE)
    )
    assert sorted(outcome.outcome for found in outcomes for outcome in found) == ["invoiced"] * 60 + ["nothing"] * 60
    assert_each_billed_once(customers)


def test_two_runs_started_at_once_share_nobody():
    customers = make_crowd(60)
    at_once(*[partial(close_now, as_of=CLOSE, trigger="schedule")] * 2)
    assert sum(BillingRun.objects.values_list("customer_count", flat=True)) == 60
    assert not BillingRun.objects.exclude(status="done").exists()
    assert_each_billed_once(customers)


def test_one_shard_is_worked_by_one_of_two_workers(monkeypatch):
    customers = make_crowd(60)
    start_run(as_of=CLOSE, trigger="schedule")
    shard = RunShard.objects.get()
    assert sorted(at_once(partial(work_shard, shard.id), partial(work_shard, shard.id))) == [False, True]
    assert_each_billed_once(customers)


def test_two_suppliers_series_are_both_gapless_and_nobody_waits_in_a_circle():
    customers = make_crowd(60)
    second_supplier(customers[::2])
    ids = [customer.id for customer in customers]
    at_once(partial(close_customers, ids[:30], as_of=CLOSE), partial(close_customers, ids[30:], as_of=CLOSE))
    assert {series.prefix: series.next_number for series in NumberSeries.objects.filter(kind="invoice")} == {
        "ALT": 31,
        "INV": 31,
    }
    assert_each_billed_once(customers)


def test_the_first_numbers_of_two_series_are_taken_at_once_in_either_order():
    make_crowd(1)
    second_supplier([])
    first, second = Supplier.objects.values_list("id", flat=True)

    @transaction.atomic
    def take(*suppliers):
        blocks = take_blocks(dict.fromkeys(suppliers, 2), kind=SeriesKind.INVOICE, issue_at=CLOSE)
        return {supplier: block.next_number for supplier, block in blocks.items()}

    for _ in range(15):
        NumberSeries.objects.all().delete()
        taken = at_once(partial(take, first, second), partial(take, second, first))
        assert sorted(numbers[first] for numbers in taken) == [1, 3]
        assert sorted(numbers[second] for numbers in taken) == [1, 3]


def test_credit_notes_first_and_invoices_first_never_wait_in_a_circle():
    """A change's first bill may make only credit notes, its second an invoice; a batch takes invoices first. Over
    invoices of another supplier, too."""
    make_crowd(1)
    second_supplier([])
    first, second = Supplier.objects.values_list("id", flat=True)
    held = Barrier(2, timeout=3)

    def numbers(*takes):
        with transaction.atomic():
            for supplier, kind, also in takes:
                take_blocks({supplier: 1}, kind=kind, issue_at=CLOSE, also=also)
                with suppress(BrokenBarrierError):
                    held.wait()

    for other in (first, second):
        held.reset()
        at_once(
            partial(numbers, (other, SeriesKind.CREDIT_NOTE, {first}), (first, SeriesKind.INVOICE, ())),
            partial(numbers, (first, SeriesKind.INVOICE, {other}), (other, SeriesKind.CREDIT_NOTE, ())),
        )
    assert dict(NumberSeries.objects.filter(supplier=first).values_list("kind", "next_number")) == {
        "invoice": 5,
        "credit_note": 3,
    }


def test_an_update_beside_the_close_counts_once_whichever_comes_first():
    [customer] = make_crowd(1)
    subscription = Subscription.objects.get(customer=customer)
    update = ItemUpdate(product_id="base", quantity=Decimal(2), align=True)
    at_once(
        partial(close_customers, [customer.id], as_of=CLOSE),
        partial(update_item, subscription_id=subscription.id, running_number=1, update=update),
    )
    # March was one seat, whichever came first: the update takes effect on 1 April.
    lines = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).order_by("name")
    assert [(line.name, str(line.total)) for line in lines] == [("Base fee", "29.90"), ("Calls", "0.75")]
    april = InvoiceLine.objects.get(invoice__status="gathering", name="Base fee")
    assert [part[0] for part in april.components] == ["2"]
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1
    assert_gapless()
