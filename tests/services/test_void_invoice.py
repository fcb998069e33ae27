"""Voiding issued invoices at 19 % VAT: what is billed again or waived, and when it is refused."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput
from core.ids import new_id
from invoicing.choices import PaymentStatus
from invoicing.errors import WrongInvoiceState
from invoicing.gateways import ChargeOutcome
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import BalanceEntry, BilledWindow, Invoice, NumberSeries, Payment
from invoicing.payments.book_outcome import book_outcome
from invoicing.payments.write_off import mark_uncollectible
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.corrections import NOW, amounts, fee, line, make_correctable, pay
from tests.support.invoices import balance, invoices, lines_of, notes
from tests.support.subscriptions import change

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid, and paid by bank."""
    return make_correctable()


def void(invoice, on="2026-04-10", *, rebill=True, **options):
    with clock.frozen_at(at(on)):
        return void_invoice(invoice=invoice, rebill=rebill, reason="Wrong address", **options).invoice


def waived():
    return BilledWindow.objects.filter(kind="waiver").count()


def test_it_owes_nothing_and_keeps_what_it_is(invoice):
    voided = void(invoice)
    assert amounts(invoice) == {"status": "voided", "due": "0.00"}
    assert voided.voided_at == NOW
    kept = ("number", "sequence", "content_hash", "issued_at", "due_at", "total")
    assert {name: getattr(voided, name) for name in kept} == {name: getattr(invoice, name) for name in kept}
    entry = AuditEntry.objects.get(verb="void_invoice")
    assert entry.sentence == (
        "Countinghouse voided INV-000001 of Acme over 154.70 EUR; its periods are billed again at the next close."
    )
    assert entry.reason == "Wrong address"
    assert_books_are_clean("2026-04-10")


def test_the_next_close_bills_its_periods_again(invoice):
    void(invoice)
    run("2026-04-10")
    assert invoices() == [("INV-000001", "154.70", "0.00"), ("INV-000002", "154.70", "154.70")]
    assert lines_of("INV-000002") == [("Base", "100.00"), ("Seats", "30.00")]
    assert_books_are_clean("2026-04-10")
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["154.70", "154.70", "154.70"]
    assert_books_are_clean("2026-05-01")


def test_waived_periods_are_billed_by_nobody(invoice):
    void(invoice, rebill=False)
    assert waived() == 2
    run("2026-04-10")
    assert len(invoices()) == 1
    run("2026-05-01")
    assert len(invoices()) == 2
    assert_books_are_clean("2026-05-01")


def test_each_line_can_be_dealt_with_by_itself(invoice):
    void(invoice, lines={line(invoice, "Seats").pk: False})
    run("2026-04-10")
    assert (waived(), lines_of("INV-000002")) == (1, [("Base", "100.00")])
    assert_books_are_clean("2026-04-10")


def test_what_it_took_from_the_balance_is_there_again_and_the_next_one_takes_it(invoice):
    """35.70 of the balance: 119.00 due; voided, the bill of the 2nd takes them anew."""
    pay(invoice, "154.70")
    with clock.frozen_at(NOW):
        seats = [LineCredit(line(invoice, "Seats").pk, Decimal(30))]
        credit_invoice(invoice=invoice, lines=seats, refund=False, reason="x")
    run("2026-05-01")
    second = Invoice.objects.get(number="INV-000002")
    assert amounts(second) == {"status": "issued", "applied_from_balance": "35.70", "due": "119.00"}
    void(second, "2026-05-02")
    assert (amounts(second), balance()) == ({"status": "voided", "due": "0.00"}, "35.70")
    assert [f"{entry.amount:.2f}" for entry in BalanceEntry.objects.filter(kind="released")] == ["35.70"]
    assert_books_are_clean("2026-05-02")
    run("2026-05-02")
    third = Invoice.objects.get(number="INV-000003")
    assert amounts(third) == {"status": "issued", "applied_from_balance": "35.70", "due": "119.00"}
    assert_books_are_clean("2026-05-02")


def test_a_change_after_it_bills_what_was_owed_before_it_and_gives_back_the_rest(invoice):
    """Canceled on the 16th after it was voided: April is billed again, and half of it, 65.00 net, comes back."""
    void(invoice)
    with clock.frozen_at(at("2026-04-16")):
        cancel_subscription(subscription=Subscription.objects.get(), timing="immediate")
    run("2026-04-16")
    assert invoices()[1:] == [("INV-000002", "154.70", "77.35")]
    assert notes() == [("CN-000001", "65.00", "77.35", "77.35", "0.00")]
    assert_books_are_clean("2026-04-16")


def test_what_was_added_to_a_voided_invoice_stays_and_only_the_rest_is_billed(invoice):
    """A second seat for half of April, 15.00; the first invoice is voided: its 130.00 come again."""
    with clock.frozen_at(at("2026-04-16")):
        seats = Subscription.objects.get().items.get(key="seats")
        update = ItemUpdate(product_id="seats", quantity=Decimal(2), align=True)
        update_item(subscription_id=seats.subscription_id, running_number=seats.running_number, update=update)
    assert invoices()[1:] == [("INV-000002", "17.85", "17.85")]
    void(invoice, "2026-04-17")
    assert_books_are_clean("2026-04-17")
    run("2026-04-17")
    assert invoices()[2:] == [("INV-000003", "154.70", "154.70")]
    assert_books_are_clean("2026-04-17")


def test_an_amendment_ends_with_its_voided_invoice_and_is_billed_again(invoice):
    with clock.frozen_at(at("2026-04-16")):
        seats = Subscription.objects.get().items.get(key="seats")
        update = ItemUpdate(product_id="seats", quantity=Decimal(2), align=True)
        update_item(subscription_id=seats.subscription_id, running_number=seats.running_number, update=update)
    amendment = Invoice.objects.get(number="INV-000002")
    with pytest.raises(InvalidInput, match="credit it instead"):
        void(amendment, "2026-04-17", rebill=False)
    void(amendment, "2026-04-17")
    assert_books_are_clean("2026-04-17")
    run("2026-04-17")
    assert invoices()[1:] == [("INV-000002", "17.85", "0.00"), ("INV-000003", "17.85", "17.85")]
    assert_books_are_clean("2026-04-17")


def test_what_it_gave_back_of_a_paid_one_comes_by_credit_note(invoice):
    """Changed on the 16th to 200.00: 100.00 for the half, less 65.00 unused; voided, the 77.35 are on the balance."""
    pay(invoice, "154.70")
    change(Subscription.objects.get(), make_plan(key="big", name="Big", cards=(fee("base", "Base", "200.00"),)))
    second = Invoice.objects.get(number="INV-000002")
    assert amounts(second) == {"status": "issued", "due": "41.65"}
    void(second, "2026-04-17")
    assert notes() == [("CN-000001", "65.00", "77.35", "0.00", "77.35")]
    assert_books_are_clean("2026-04-17")
    run("2026-04-17")
    assert invoices()[2:] == [("INV-000003", "119.00", "41.65")]
    assert balance() == "0.00"
    assert_books_are_clean("2026-04-17")


def test_what_another_invoice_gave_back_of_it_keeps_it_from_being_voided(invoice):
    change(Subscription.objects.get(), make_plan(key="big", name="Big", cards=(fee("base", "Base", "200.00"),)))
    with pytest.raises(WrongInvoiceState, match="INV-000002 gives back part of it: credit the rest"):
        void(invoice, "2026-04-17")
    assert amounts(invoice)["status"] == "issued"


def _part_paid(invoice):
    pay(invoice, "54.70")


def _paid(invoice):
    pay(invoice, "154.70")


def _credited(invoice):
    credit_invoice(
        invoice=invoice, lines=[LineCredit(line(invoice, "Seats").pk, Decimal(30))], refund=False, reason="x"
    )


def _credited_whole(invoice):
    credit_invoice(invoice=invoice, lines=None, refund=False, reason="x")


def _given_up(invoice):
    mark_uncollectible(invoice=invoice, reason="x")


def _voided(invoice):
    void_invoice(invoice=invoice, rebill=True, reason="x")


def _charged(invoice):
    Payment.objects.create(
        invoice=invoice, app=invoice.app, amount=invoice.due, currency="EUR", status="unknown", attempt=1
    )


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (_part_paid, "54.70 EUR of it is paid: credit it instead"),
        (_paid, "154.70 EUR of it is paid: credit it instead"),
        (_credited, "35.70 EUR of it is credited: credit the rest"),
        (_credited_whole, "It is credited as a whole"),
        (_given_up, "It is given up: credit it instead"),
        (_voided, "It is voided already"),
        (_charged, "A charge of it is under way"),
    ],
)
@pytest.mark.parametrize("rebill", [True, False])
def test_what_can_not_be_voided_says_why_and_names_the_way(invoice, before, said, rebill):
    with clock.frozen_at(NOW):
        before(invoice)
    sums, windows = amounts(invoice), list(BilledWindow.objects.order_by("pk").values())
    with pytest.raises(WrongInvoiceState) as refused:
        void(invoice, rebill=rebill)
    assert said in refused.value.message
    assert refused.value.message.endswith("Nothing was changed.")
    assert (amounts(invoice), list(BilledWindow.objects.order_by("pk").values())) == (sums, windows)


def test_one_that_the_balance_paid_is_refused(invoice):
    pay(invoice, "309.40")
    run("2026-05-01")
    second = Invoice.objects.get(number="INV-000002")
    assert amounts(second) == {"status": "paid", "applied_from_balance": "154.70", "due": "0.00"}
    with pytest.raises(WrongInvoiceState, match="It is settled: credit it instead"):
        void(second, "2026-05-02")


def test_a_reason_and_lines_of_its_own_are_asked_for(invoice):
    with pytest.raises(InvalidInput, match="Say why"):
        void_invoice(invoice=invoice, rebill=True, reason=" ")
    with pytest.raises(InvalidInput, match="charge nothing on INV-000001"):
        void(invoice, lines={new_id(): True})
    assert amounts(invoice)["due"] == "154.70"


def test_a_preview_writes_nothing(invoice):
    shown = void(invoice, preview=True)
    assert shown.status == "voided"
    assert amounts(invoice)["due"] == "154.70"
    assert BilledWindow.objects.filter(kind="charge").count() == 2
    assert NumberSeries.objects.get(kind="invoice").next_number == 2


def test_money_that_comes_in_for_a_voided_invoice_is_the_customers(invoice):
    """A charge that waited for the customer is ended at the provider; they confirm it before that."""
    waiting = Payment.objects.create(
        invoice=invoice, app=invoice.app, amount=invoice.due, currency="EUR", status="action_required", attempt=1,
        external_id="pi_1",
    )  # fmt: skip
    void(invoice)
    waiting.refresh_from_db()
    assert (waiting.to_cancel, waiting.next_check_at is not None) == (True, True)
    with clock.frozen_at(NOW):
        book_outcome(payment_id=waiting.pk, outcome=ChargeOutcome(PaymentStatus.SUCCEEDED, "pi_1"), as_of=NOW)
    assert (amounts(invoice), balance()) == ({"status": "voided", "due": "0.00"}, "154.70")
    assert_books_are_clean("2026-04-10")


def test_voided_and_billed_and_voided_again_the_series_has_no_gap(invoice):
    void(invoice)
    run("2026-04-10")
    void(Invoice.objects.get(number="INV-000002"))
    with clock.frozen_at(NOW):
        run_due(as_of=NOW)
    assert invoices() == [
        ("INV-000001", "154.70", "0.00"),
        ("INV-000002", "154.70", "0.00"),
        ("INV-000003", "154.70", "154.70"),
    ]
    assert_books_are_clean("2026-04-10")


def test_the_books_notice_a_balance_that_was_given_back_twice(invoice):
    pay(invoice, "154.70")
    with clock.frozen_at(NOW):
        seats = [LineCredit(line(invoice, "Seats").pk, Decimal(30))]
        credit_invoice(invoice=invoice, lines=seats, refund=False, reason="x")
    run("2026-05-01")
    void(Invoice.objects.get(number="INV-000002"), "2026-05-02")
    twice = BalanceEntry.objects.get(kind="released")
    twice.pk = new_id()
    twice._state.adding = True
    twice.save()
    code, said = run_check("--only", "6", now="2026-05-02")
    assert code == 1
    assert "it says that it took 0 from the customer's balance; the ledger says -35.7" in said
