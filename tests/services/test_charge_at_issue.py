"""What an app charges at once is paid as it is issued, to the same rows as if it had been charged right after."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from core import clock
from core.bulk import copy_rows
from core.outbox.models import OutboxMessage
from customers.models import BillingApp, BillingProfile, Customer, CustomerOverride
from invoicing.choices import RunTrigger
from invoicing.closing.close_customers import close_customers
from invoicing.models import BalanceEntry, Invoice, Payment
from invoicing.payments.collect import collect_invoices
from invoicing.runs.run_due import close_now
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import run_check
from tests.support.catalog import fee, flat_card, make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.closing import START, make_subscriber
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

# Made anew by each close.
OWN = {"id", "series_id", "invoice_id", "content_hash", "payment_id", "dedupe_key"}


@pytest.fixture
def everybody():
    """A customer of each kind, all with 50.00 EUR due on 17 March 2026."""
    default = make_default_profile()
    plan = make_excess_plan()
    kinds = ("pays", "declines", "confirms", "covered", "partly-covered", "by-bank", "by-network")
    made = {kind: make_subscriber(plan, key=kind, name=kind, primary_email=f"{kind}@example.com") for kind in kinds}
    made["declines"].app_data.create(app=default.app, data={"outcome": "decline"})
    made["confirms"].app_data.create(app=default.app, data={"outcome": "action_required"})
    for kind, amount in (("covered", 70), ("partly-covered", 20)):
        BalanceEntry.objects.create(customer=made[kind], currency="EUR", kind="overpayment", amount=amount, at=START)
    for kind, type_, method in (
        ("by-bank", "bank_transfer", "send_invoice"),
        ("by-network", "stripe", "charge_automatically"),
    ):
        app = BillingApp.objects.create(type=type_, name=kind)
        profile = BillingProfile.objects.create(name=kind, supplier=default.supplier, app=app, collection_method=method)
        CustomerOverride.objects.create(customer=made[kind], billing_profile=profile)
    return made


def closed(customers: Mapping[str, Customer], *, charge: bool, on: Any = START, now: Any = START) -> dict[str, Any]:
    """What a close and the collection after it write; nothing of it stays."""
    ids = sorted(customer.pk for customer in customers.values())
    with clock.frozen_at(now), transaction.atomic():
        outcomes = close_customers(ids, as_of=on, charge=charge)
        paid_by_close = Payment.objects.count()
        collect_invoices([pk for outcome in outcomes for pk in outcome.invoice_ids], as_of=on)
        written = {
            "invoices": rows(Invoice.objects.order_by("customer__key", "issued_at")),
            "payments": rows(Payment.objects.order_by("invoice__customer__key", "attempt")),
            "balance": rows(BalanceEntry.objects.order_by("customer__key", "at", "amount")),
            "mails": rows(OutboxMessage.objects.order_by("customer_id", "created_at")),
            "outcomes": sorted((each.customer_id, each.outcome, each.note) for each in outcomes),
            "findings": run_check(),
        }
        transaction.set_rollback(True)
    return written | {"paid_by_close": paid_by_close}


def rows(found):
    return [{name: value for name, value in row.items() if name not in OWN} for row in found.values()]


def test_the_rows_are_those_of_a_charge_right_after_the_issue(everybody):
    together = closed(everybody, charge=True)
    apart = closed(everybody, charge=False)
    assert (together.pop("paid_by_close"), apart.pop("paid_by_close")) == (2, 0)
    assert together == apart


def test_who_pays_is_paid_and_whoever_does_not_is_left_to_the_collection(everybody):
    with clock.frozen_at(START):
        close_customers([customer.pk for customer in everybody.values()], as_of=START, charge=True)
    found = Invoice.objects.filter(issued_at__isnull=False).order_by("customer__key")
    assert [
        (kind, status, str(paid), str(due))
        for kind, status, paid, due in found.values_list("customer__key", "status", "paid", "due")
    ] == [
        ("by-bank", "issued", "0", "50.00"),
        ("by-network", "issued", "0", "50.00"),
        ("confirms", "issued", "0", "50.00"),
        ("covered", "paid", "0", "0.00"),
        ("declines", "issued", "0", "50.00"),
        ("partly-covered", "paid", "30.00", "0"),
        ("pays", "paid", "50.00", "0"),
    ]
    payments = Payment.objects.order_by("invoice__customer__key")
    assert [(str(each.amount), each.status, each.attempt, each.received_at) for each in payments] == [
        ("30.00", "succeeded", 1, START),
        ("50.00", "succeeded", 1, START),
    ]


def test_a_run_that_is_worked_late_charges_when_it_issues(everybody):
    written = closed({"pays": everybody["pays"]}, charge=True, on=START, now=at("2026-03-20"))
    (invoice,) = (row for row in written["invoices"] if row["issued_at"] is not None)
    assert (invoice["status"], invoice["issued_at"]) == ("paid", at("2026-03-20"))
    assert [payment["received_at"] for payment in written["payments"]] == [at("2026-03-20")]


def test_what_fails_before_it_is_stored_charges_nobody(everybody, monkeypatch):
    ids = [everybody["pays"].pk]
    with clock.frozen_at(START):
        with monkeypatch.context() as broken:
            broken.setattr("invoicing.closing.store.copy_rows", _fails_for_payments)
            (outcome,) = close_customers(ids, as_of=START, charge=True)
        assert outcome.outcome == "parked"
        assert not Payment.objects.exists()
        assert not Invoice.objects.filter(issued_at__isnull=False).exists()


def _fails_for_payments(model, rows):
    if model is Payment:
        raise ValueError("the database is broken")
    copy_rows(model, rows)


def test_what_is_billed_at_once_is_charged_at_once_while_time_goes_on():
    """By a clock that runs on: what is issued a moment after the act began is not left to the next collection."""
    make_default_profile()
    customer = make_customer()
    card = flat_card(key="seats", name="Seats", price=fee("10.00"))
    began = clock.now()
    subscription = record_subscription(
        customer=customer, plan=make_plan(cards=(card,)), active_from=began, quantities={"seats": Decimal(1)}
    )
    close_now(as_of=clock.now(), trigger=RunTrigger.SCHEDULE)
    assert statuses() == ["paid"]
    update = ItemUpdate(product_id="seats", quantity=Decimal(3), align=True)
    update_item(subscription_id=subscription.pk, running_number=1, update=update)
    assert statuses() == ["paid", "paid"]


def statuses():
    return list(Invoice.objects.filter(issued_at__isnull=False).order_by("sequence").values_list("status", flat=True))
