"""Drafts that give something back, or that add to an issued line: what becomes of them and of their money."""

from decimal import Decimal

import pytest

from core import clock
from customers.models import CustomerOverride, Supplier
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.retry_invoice import retry_invoice
from invoicing.models import CreditNote, Invoice, NumberSeries
from invoicing.rating import read_explanation, recompute
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_plan import change_plan
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import flat_card, make_plan
from tests.support.clock import at
from tests.support.customers import enterprise, make_customer, make_default_profile

pytestmark = pytest.mark.django_db


def fee(amount):
    return flat_card(key="seats", name="Seats", price={"type": "flat", "amount": amount, "paymentTerm": "in_advance"})


@pytest.fixture
def subscription():
    """5 seats at 10.00, issued and paid for April; from then on every invoice waits a day for review."""
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = record_subscription(
            customer=customer,
            plan=make_plan(cards=(fee("10.00"),)),
            active_from=at("2026-04-01"),
            quantities={"seats": Decimal(5)},
        )
        run_due(as_of=at("2026-04-01"))
        make_default_profile(draft_period="P1D")
    return subscription


def draft():
    return Invoice.objects.get(status__startswith="draft.")


def to_bigger(subscription):
    """Change to 30.00 a seat on 16 April: 75.00 for the rest of the month, less 25.00 of what was paid."""
    bigger = make_plan(key="bigger", name="Bigger", cards=(fee("30.00"),))
    return change_plan(
        subscription=subscription, timing="immediate", plan=bigger, quantities={"seats": Decimal(5)}
    ).successor


def notes():
    return [str(note.total) for note in CreditNote.objects.order_by("sequence")]


@pytest.mark.parametrize(("rebill", "issued"), [(True, ["50.00", "75.00", "150.00"]), (False, ["50.00", "150.00"])])
def test_what_a_deleted_draft_was_to_give_back_comes_by_credit_note(subscription, rebill, issued):
    with clock.frozen_at(at("2026-04-16")):
        to_bigger(subscription)
        assert [(line.name, str(line.total)) for line in draft().lines.order_by("position")] == [
            ("Seats", "75.00"),
            ("Unused part: Seats", "-25.00"),
        ]
        deleted = delete_draft(invoice=draft(), rebill=rebill, reason="a slip")
        assert (deleted.status, str(deleted.total), notes()) == ("deleted", "75.00", ["25.00"])
    assert_books_are_clean("2026-04-16")
    for day in ("2026-04-16", "2026-04-17", "2026-05-01", "2026-05-02"):
        with clock.frozen_at(at(day)):
            run_due(as_of=at(day))
    invoices = Invoice.objects.filter(issued_at__isnull=False).order_by("sequence")
    assert [str(invoice.total) for invoice in invoices] == issued
    assert [str(invoice.applied_from_balance) for invoice in invoices][:2] == ["0", "25.00"]
    assert_books_are_clean("2026-05-02")


def test_what_a_draft_can_give_back_no_more_comes_by_credit_note(subscription):
    """75.00 - 25.00; ended on the second it began, nothing is charged any more."""
    with clock.frozen_at(at("2026-04-16")):
        successor = to_bigger(subscription)
        cancel_subscription(subscription=successor, timing="immediate")
    assert not Invoice.objects.filter(status__startswith="draft.").exists()
    assert notes() == ["25.00"]
    assert_books_are_clean("2026-04-16")


def test_a_change_that_gives_back_otherwise_locks_the_series_that_bills_the_customer_by_now(subscription):
    """The credit note is over the old supplier's invoice; a second bill of the change would be the new supplier's."""
    with clock.frozen_at(at("2026-04-16")):
        successor = to_bigger(subscription)
        new = Supplier.objects.create(name="New", invoice_prefix="ALT", credit_note_prefix="ALTCN")
        CustomerOverride.objects.create(customer=subscription.customer, billing_profile=enterprise(supplier=new))
        cancel_subscription(subscription=successor, timing="immediate")
    assert notes() == ["25.00"]
    # A series that was never used is there only because it was locked.
    assert set(NumberSeries.objects.values_list("prefix", "next_number")) == {
        ("INV", 2),
        ("CN", 2),
        ("ALT", 1),
        ("ALTCN", 1),
    }


def test_a_draft_keeps_as_much_of_its_credit_as_its_charges_can_take(subscription):
    """Ended after 3 of 15 days: 15.00 of the 75.00 are left, so the draft takes 15.00 of the 25.00."""
    make_default_profile(draft_period="P7D")
    with clock.frozen_at(at("2026-04-16")):
        successor = to_bigger(subscription)
    with clock.frozen_at(at("2026-04-19")):
        cancel_subscription(subscription=successor, timing="immediate")
    credit = draft().lines.get(kind="credit")
    assert (str(draft().total), str(credit.amount), notes()) == ("0.00", "-15.00", ["10.00"])
    assert recompute(read_explanation(credit.explain)) == Decimal("-15.00")
    assert_books_are_clean("2026-04-19")
    with clock.frozen_at(at("2026-04-23")):
        run_due(as_of=at("2026-04-23"))
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 2
    assert_books_are_clean("2026-04-23")


def more_seats(subscription):
    update = ItemUpdate(product_id="seats", quantity=Decimal(8), align=True)
    with clock.frozen_at(at("2026-04-16")):
        update_item(subscription_id=subscription.id, running_number=1, update=update)
    assert str(draft().total) == "15.00"


def test_what_was_charged_on_a_draft_comes_back_on_that_draft(subscription):
    """Three more seats on the 16th, 15.00; ended twelve hours later: 14.50 of them, and 24.17 of the 50.00."""
    more_seats(subscription)
    with clock.frozen_at(at("2026-04-16T12:00")):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert [str(line.total) for line in draft().lines.order_by("position")] == ["15.00", "-14.50"]
    assert (str(draft().total), notes()) == ("0.50", ["24.17"])
    assert_books_are_clean("2026-04-16T12:00")
    with clock.frozen_at(at("2026-04-17T12:00")):
        run_due(as_of=at("2026-04-17T12:00"))
    assert_books_are_clean("2026-04-17T12:00")


def test_nothing_comes_back_of_what_was_waived_with_a_draft(subscription):
    more_seats(subscription)
    with clock.frozen_at(at("2026-04-16")):
        delete_draft(invoice=draft(), rebill=False, reason="a gift")
    with clock.frozen_at(at("2026-04-21")):
        cancel_subscription(subscription=subscription, timing="immediate")
    assert notes() == ["16.67"]
    assert_books_are_clean("2026-04-21")


def test_a_draft_that_cant_be_advanced_stops_no_other_and_says_why(subscription):
    other = make_customer(key="other", name="Other")
    with clock.frozen_at(at("2026-05-01")):
        record_subscription(
            customer=other, plan=make_plan(key="more", cards=(fee("7.00"),)), active_from=at("2026-05-01")
        )
        run_due(as_of=at("2026-05-01"))
    broken = Invoice.objects.get(customer=subscription.customer, status="draft.waiting_auto_approval")
    snapshot = broken.workflow_snapshot
    Invoice.objects.filter(pk=broken.pk).update(workflow_snapshot={"values": {"tax_enabled": False}})
    with clock.frozen_at(at("2026-05-02")):
        run_due(as_of=at("2026-05-02"))
        broken.refresh_from_db()
        assert (broken.status, "due_after" in broken.status_note) == ("issuing.failed", True)
        assert str(Invoice.objects.get(customer=other, issued_at__isnull=False).total) == "7.00"

        Invoice.objects.filter(pk=broken.pk).update(workflow_snapshot=snapshot)
        assert retry_invoice(invoice=broken).number == "INV-000003"


def test_a_waived_period_can_be_paused_and_resumed():
    """April is waived; from the resumption on the 21st it is charged: 10 of 30 days of 50.00."""
    make_default_profile(draft_period="P1D")
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        plan = make_plan(cards=(fee("50.00"),))
        subscription = record_subscription(customer=customer, plan=plan, active_from=at("2026-04-01"))
        run_due(as_of=at("2026-04-01"))
        delete_draft(invoice=draft(), rebill=False, reason="a gift")
    with clock.frozen_at(at("2026-04-11")):
        pause_subscription(subscription=subscription, timing="immediate")
    assert_books_are_clean("2026-04-11")
    with clock.frozen_at(at("2026-04-21")):
        resume_subscription(subscription=subscription, timing="immediate")
    assert (str(draft().total), notes()) == ("16.67", [])
    assert_books_are_clean("2026-04-21")
