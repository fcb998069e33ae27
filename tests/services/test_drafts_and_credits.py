"""Drafts that give something back, or that add to an issued line: what becomes of them and of their money."""

from decimal import Decimal

import pytest

from core import clock
from invoicing.errors import CannotBill, WrongInvoiceState
from invoicing.models import BilledWindow, CreditNote, Invoice
from invoicing.services.advance_invoice import advance_invoice
from invoicing.services.change_subscription import change_subscription
from invoicing.services.delete_draft import delete_draft
from invoicing.services.end_subscription import end_subscription
from invoicing.services.run_due import run_due
from subscriptions.services.create_subscription import create_subscription
from tests.books.command import run_check
from tests.make import at, flat_card, make_customer, make_default_profile, make_plan

pytestmark = pytest.mark.django_db


def fee(amount):
    return flat_card(key="seats", name="Seats", price={"type": "flat", "amount": amount, "paymentTerm": "in_advance"})


@pytest.fixture
def subscription():
    """5 seats at 10.00, issued and paid for April; from then on every invoice waits a day for review."""
    customer = make_customer()
    with clock.frozen_at(at("2026-04-01")):
        subscription = create_subscription(
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
    return change_subscription(
        subscription=subscription, timing="immediate", plan=bigger, quantities={"seats": Decimal(5)}
    ).successor


def test_a_draft_that_gives_something_back_is_not_deleted(subscription):
    with clock.frozen_at(at("2026-04-16")):
        to_bigger(subscription)
        assert [(line.name, str(line.total)) for line in draft().lines.order_by("position")] == [
            ("Seats", "75.00"),
            ("Unused part: Seats", "-25.00"),
        ]
        for rebill in (True, False):
            with pytest.raises(WrongInvoiceState, match=r"gives back 25\.00 EUR .* Nothing was changed"):
                delete_draft(invoice=draft(), rebill=rebill, reason="a slip")
    assert draft().lines.filter(deleted_at=None).count() == 2
    assert BilledWindow.objects.count() == 2


def test_a_draft_never_gives_back_more_than_it_charges(subscription):
    with clock.frozen_at(at("2026-04-16")):
        successor = to_bigger(subscription)
        with pytest.raises(CannotBill, match=r"would give back 25\.00 EUR more than it charges\. Nothing was changed"):
            end_subscription(subscription=successor, timing="immediate")
    assert str(draft().total) == "50.00"
    for day in ("2026-04-17", "2026-04-18"):
        with clock.frozen_at(at(day)):
            run_due(as_of=at(day))
            if day == "2026-04-17":
                end_subscription(subscription=successor, timing="immediate")
    # 14 of 15 days of the 75.00 come back.
    assert [str(note.total) for note in CreditNote.objects.all()] == ["70.00"]
    code, said = run_check(now="2026-04-18T00:05")
    assert code == 0, said


def test_a_draft_that_cant_be_advanced_stops_no_other_and_says_why(subscription):
    other = make_customer(key="other", name="Other")
    with clock.frozen_at(at("2026-05-01")):
        create_subscription(
            customer=other, plan=make_plan(key="more", cards=(fee("7.00"),)), active_from=at("2026-05-01")
        )
        run_due(as_of=at("2026-05-01"))
    broken = Invoice.objects.get(customer=subscription.customer, status="draft.waiting_auto_approval")
    snapshot = broken.workflow_snapshot
    Invoice.objects.filter(pk=broken.pk).update(workflow_snapshot={"values": {}})
    with clock.frozen_at(at("2026-05-02")):
        run_due(as_of=at("2026-05-02"))
        broken.refresh_from_db()
        assert (broken.status, "due_after" in broken.status_note) == ("draft.collecting_failed", True)
        assert str(Invoice.objects.get(customer=other, issued_at__isnull=False).total) == "7.00"

        Invoice.objects.filter(pk=broken.pk).update(workflow_snapshot=snapshot)
        assert advance_invoice(invoice=broken).number == "INV-000003"
