"""Money that arrives while the dunning plan acts: it is booked, and nobody is given up or charged for it."""

import threading
import time
from decimal import Decimal
from functools import partial

import pytest
from django.db import transaction

from core import clock
from core.errors import BillingError
from invoicing.models import Payment, WriteOff
from invoicing.payments.collect import collect_due
from invoicing.payments.end_dunning import end_dunning
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.payments.record_payment import record_payment
from invoicing.payments.write_off import write_off
from invoicing.runs.run_due import run_due
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.closing import make_issued
from tests.support.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("day", "act"),
    [("2026-03-18", mark_overdue), ("2026-03-19", end_dunning), ("2026-03-19", collect_due)],
    ids=["overdue", "uncollectible", "charged"],
)
def test_money_that_arrives_at_the_same_moment_comes_first(day, act):
    """The payment is not kept yet when the plan looks for invoices, and is when it comes to act."""
    invoice = make_issued(decline=True, due_after="P1D", dunning_days=[2], uncollectible_after_dunning=True)
    if act is not mark_overdue:
        with clock.frozen_at(at("2026-03-18")):
            run_due(as_of=at("2026-03-18"))
    if act is end_dunning:
        with clock.frozen_at(at(day)):
            collect_due(as_of=at(day))
    attempts, recorded = Payment.objects.count(), threading.Event()

    def pay():
        with transaction.atomic():
            record_payment(invoice=invoice, amount=Decimal("50.00"), received_at=at("2026-03-18"), reference="bank")
            recorded.set()
            time.sleep(0.7)

    def plan():
        recorded.wait(timeout=30)
        return act(as_of=at(day))

    assert at_once(pay, plan, now=at(day))[1] == 0
    invoice.refresh_from_db()
    assert (invoice.status, str(invoice.paid), str(invoice.due)) == ("paid", "50.00", "0.00")
    assert Payment.objects.count() == attempts + 1
    assert run_check("--only", "7", now="2026-03-20T00:01")[0] == 0


def test_of_a_payment_and_two_write_offs_at_once_the_books_stay_right():
    invoice = make_issued(collection_method="send_invoice")

    def tolerant(act):
        try:
            act()
        except BillingError as refused:
            return type(refused).__name__
        return "done"

    pay = partial(
        record_payment, invoice=invoice, amount=Decimal("20.00"), received_at=at("2026-03-17"), reference="bank"
    )
    give_up = partial(write_off, invoice=invoice, reason="Small")
    outcomes = at_once(*(partial(tolerant, act) for act in (give_up, pay, give_up)), now=at("2026-03-18"))
    assert sorted(outcomes) == ["WrongInvoiceState", "done", "done"]
    invoice.refresh_from_db()
    assert (str(invoice.paid), str(invoice.written_off), invoice.due) == ("20.00", "30.00", 0)
    assert sum(WriteOff.objects.values_list("amount", flat=True)) == 30
    assert run_check("--only", "7", now="2026-03-20T00:01")[0] == 0
