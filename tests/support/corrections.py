"""Issued invoices to be corrected, at 19 % VAT, paid by bank transfer; and their sums."""

from decimal import Decimal

from core import clock
from invoicing.models import Invoice
from invoicing.money_columns import SETTLEMENT
from invoicing.payments.record_payment import record_payment
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import make_default_profile, vat_customer
from tests.support.invoices import money
from tests.support.payments import pays_by_bank
from tests.support.subscriptions import subscribe

NOW = at("2026-04-10")


def fee(key, name, amount):
    return flat_card(key=key, name=name, price={"type": "flat", "amount": amount, "paymentTerm": "in_advance"})


def make_correctable(**profile):
    """INV-000001 of Acme for April 2026: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; sent to be paid by bank."""
    make_default_profile()
    pays_by_bank()
    make_default_profile(**profile)
    plan = make_plan(cards=(fee("base", "Base", "100.00"), fee("seats", "Seats", "30.00")))
    subscribe(plan, customer=vat_customer())
    return Invoice.objects.get(number="INV-000001")


def line(invoice, name):
    return invoice.lines.get(name=name, deleted_at=None)


def pay(invoice, amount, on="2026-04-02"):
    """So much of it arrives at the bank."""
    with clock.frozen_at(at(on)):
        record_payment(invoice=invoice, amount=Decimal(amount), received_at=at(on), reference=f"TRN {on} {amount}")


def amounts(invoice):
    """The status, what is due, and every other sum that isn't zero."""
    invoice = Invoice.objects.get(pk=invoice.pk)
    sums = {name: getattr(invoice, name) for name in SETTLEMENT}
    return {"status": invoice.status} | {name: money(sum_) for name, sum_ in sums.items() if sum_ or name == "due"}
