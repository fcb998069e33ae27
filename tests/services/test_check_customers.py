"""What the checks of a move say of drafts and invoices is what these have frozen, whatever bills the customer now."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import BillingApp, BillingProfile, CustomerOverride, Supplier
from invoicing.choices import BalanceKind
from invoicing.models import BalanceEntry, Invoice
from invoicing.profile_moves.causes import CauseCode
from invoicing.profile_moves.check_customers import check_customers
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def profile(name, *, supplier=None, app="bank_transfer", **workflow):
    supplier = supplier or make_default_profile().supplier
    app = BillingApp.objects.create(type=app, name=f"{name} app")
    return BillingProfile.objects.create(name=name, supplier=supplier, app=app, **workflow)


def pin(customer, to):
    CustomerOverride.objects.update_or_create(customer=customer, defaults={"billing_profile": to})


def messages(customer, target, now):
    found = check_customers([customer.pk], target=target, answers={}, now=at(now))
    return {cause.code: cause.message for cause in found[customer.pk]}


def test_drafts_and_unpaid_invoices_name_the_profile_and_app_that_they_have_frozen():
    """An invoice of April unpaid at the bank, a draft of May by cards, and since then the customer is on a third."""
    customer = make_customer()
    bank, cards = profile("Bank", collection_method="send_invoice"), profile("Cards", auto_advance=False)
    now, target = profile("Now"), profile("Target")
    pin(customer, bank)
    subscribe(flat_plan("basic", "30.00"), customer=customer)
    pin(customer, cards)
    run("2026-05-01")
    pin(customer, now)
    assert messages(customer, target, "2026-05-02") == {
        CauseCode.OPEN_DRAFTS: "1 draft stays on “Cards”, with its terms.",
        CauseCode.UNPAID_INVOICES: "INV-000001 is unpaid and is still collected through “Bank app”.",
    }
    pin(customer, bank)
    run("2026-06-01")
    pin(customer, now)
    drafts = Invoice.objects.filter(profile=cards)
    assert drafts.count() == 1
    assert messages(customer, target, "2026-06-02")[CauseCode.UNPAID_INVOICES] == (
        "INV-000001, INV-000002 are unpaid and are still collected through “Bank app”."
    )
    drafts.update(profile=now)
    pin(customer, cards)
    run("2026-07-01")
    assert messages(customer, target, "2026-07-02")[CauseCode.OPEN_DRAFTS] == (
        "1 draft stays on “Now”, with its terms. 1 draft stays on “Cards”, with its terms."
    )


def test_what_is_owed_between_suppliers_names_whose_invoices_it_came_from():
    customer = make_customer()
    other = Supplier.objects.create(
        key="other", name="Other Ltd", country="DE", invoice_prefix="OT", credit_note_prefix="OC"
    )
    third = Supplier.objects.create(
        key="third", name="Third", country="DE", invoice_prefix="TH", credit_note_prefix="TC"
    )
    there, target = profile("There", supplier=other), profile("Target", supplier=third)
    pin(customer, there)
    subscribe(flat_plan("basic", None, cards=(flat_card(price=fee("30.00")),)), customer=customer)
    invoice = Invoice.objects.get(issued_at__isnull=False)
    Supplier.objects.filter(pk=other.pk).update(name="Renamed Ltd")
    with clock.frozen_at(at("2026-04-02")):
        BalanceEntry.objects.create(
            customer=customer, currency="EUR", kind=BalanceKind.OVERPAYMENT, amount=Decimal("5.00"), invoice=invoice
        )
    pin(customer, make_default_profile())
    found = messages(customer, target, "2026-04-03")
    assert found[CauseCode.BALANCE] == "A balance of 5.00 EUR is owed by Other Ltd: use it up or pay it out first."
    assert found[CauseCode.UNUSED_PERIODS].startswith("Billed in advance by Other Ltd until 1 May 2026 00:00 UTC")
