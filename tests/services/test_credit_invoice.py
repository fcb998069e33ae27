"""Crediting issued invoices at 19 % VAT: by line and whole, to the balance and refunded."""

from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import BillingError, InvalidInput, PreconditionFailed
from core.ids import new_id
from invoicing.errors import WrongInvoiceState
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.models import BilledWindow, CreditNote, Invoice, Refund, WriteOff
from invoicing.payments.refund import refund_invoice
from invoicing.payments.write_off import mark_uncollectible, write_off
from invoicing.runs.run_due import run_due
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.corrections import NOW, amounts, line, make_correctable, pay
from tests.support.customers import make_customer, make_default_profile
from tests.support.invoices import balance, notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid, and paid by bank."""
    return make_correctable()


def credit(invoice, *lines, refund=False, **options):
    wanted = [LineCredit(line(invoice, name).pk, Decimal(amount)) for name, amount in lines] or None
    with clock.frozen_at(NOW):
        return credit_invoice(invoice=invoice, lines=wanted, refund=refund, reason="Wrong price", **options)


@pytest.fixture(autouse=True)
def _clean_books(db):
    yield
    assert_books_are_clean("2026-04-10")


def test_a_part_of_a_line_lowers_what_is_due_at_the_lines_tax(invoice):
    credited = credit(invoice, ("Seats", "10.00"))
    assert notes() == [("CN-000001", "10.00", "11.90", "11.90", "0.00")]
    assert amounts(invoice) == {"status": "issued", "credited": "11.90", "due": "142.80"}
    note = credited.note
    assert (note.reason_code, note.reason, balance()) == ("correction", "Wrong price", "0.00")
    entry = AuditEntry.objects.get(verb="credit_invoice")
    assert entry.sentence == "Countinghouse credited 11.90 EUR of INV-000001 of Acme by CN-000001."
    assert entry.reason == "Wrong price"


def test_several_lines_are_one_note(invoice):
    credit(invoice, ("Base", "50.00"), ("Seats", "30.00"))
    assert notes() == [("CN-000001", "80.00", "95.20", "95.20", "0.00")]


def test_a_whole_credit_settles_what_is_unpaid(invoice):
    credit(invoice)
    assert notes() == [("CN-000001", "130.00", "154.70", "154.70", "0.00")]
    assert amounts(invoice) == {"status": "paid", "credited": "154.70", "due": "0.00"}


def test_a_whole_credit_takes_what_is_left_so_that_tax_adds_up_to_the_cent(invoice):
    """A third of the tax thrice: 33.33 and 33.33 of 100.00 come back with 6.33 and 6.34, the rest with 12.03."""
    credit(invoice, ("Base", "33.33"))
    credit(invoice, ("Base", "33.33"))
    credit(invoice)
    assert [(net, gross) for _, net, gross, _, _ in notes()] == [
        ("33.33", "39.66"),
        ("33.33", "39.67"),
        ("63.34", "75.37"),
    ]
    assert amounts(invoice)["due"] == "0.00"


def test_a_part_paid_invoice_gives_back_what_is_not_due_any_more(invoice):
    """100.00 are paid and 54.70 due; 119.00 come back: 64.30 of them are the customer's."""
    pay(invoice, "100.00")
    credit(invoice, ("Base", "100.00"))
    assert notes() == [("CN-000001", "100.00", "119.00", "54.70", "64.30")]
    assert amounts(invoice) == {
        "status": "paid", "credited": "119.00", "paid": "100.00", "moved_to_balance": "64.30", "due": "0.00",
    }  # fmt: skip
    assert balance() == "64.30"


def test_what_is_paid_goes_to_the_balance_and_the_next_invoice_uses_it(invoice):
    pay(invoice, "154.70")
    credit(invoice, ("Seats", "30.00"))
    assert balance() == "35.70"
    with clock.frozen_at(at("2026-05-01")):
        run_due(as_of=at("2026-05-01"))
    following = Invoice.objects.get(number="INV-000002")
    assert (f"{following.total:.2f}", f"{following.applied_from_balance:.2f}") == ("154.70", "35.70")
    assert balance() == "0.00"


def test_it_is_refunded_in_the_same_act(invoice):
    pay(invoice, "154.70")
    credited = credit(invoice, ("Seats", "30.00"), refund=True)
    [refund] = credited.refunds
    assert (f"{refund.amount:.2f}", refund.status, balance()) == ("35.70", "succeeded", "0.00")
    assert amounts(invoice) == {
        "status": "paid", "credited": "35.70", "paid": "154.70", "refunded": "35.70", "due": "0.00",
    }  # fmt: skip
    assert "of which 35.70 EUR is refunded" in AuditEntry.objects.get(verb="credit_invoice").sentence


def test_several_payments_take_as_many_refunds(invoice):
    """60.00, then 94.70: the newer goes back whole, and 24.30 of the older."""
    pay(invoice, "60.00")
    pay(invoice, "94.70", on="2026-04-03")
    credit(invoice, ("Base", "100.00"), refund=True)
    assert [f"{refund.amount:.2f}" for refund in Refund.objects.order_by("id")] == ["94.70", "24.30"]
    assert (amounts(invoice)["refunded"], balance()) == ("119.00", "0.00")


def test_what_came_from_the_balance_goes_back_there(invoice):
    """35.70 of the second invoice came from the balance, 119.00 by bank: so much can be refunded."""
    pay(invoice, "154.70")
    credit(invoice, ("Seats", "30.00"))
    with clock.frozen_at(at("2026-05-01")):
        run_due(as_of=at("2026-05-01"))
    following = Invoice.objects.get(number="INV-000002")
    pay(following, "119.00", on="2026-05-02")
    credit(following, refund=True)
    assert amounts(following) == {
        "status": "paid", "credited": "154.70", "paid": "119.00", "refunded": "119.00", "moved_to_balance": "35.70",
        "applied_from_balance": "35.70", "due": "0.00",
    }  # fmt: skip
    assert balance() == "35.70"


def test_where_nothing_was_paid_a_refund_only_lowers_what_is_due(invoice):
    assert credit(invoice, ("Seats", "30.00"), refund=True).refunds == ()
    assert amounts(invoice) == {"status": "issued", "credited": "35.70", "due": "119.00"}


def test_what_was_written_off_is_no_loss_once_it_is_credited_and_no_money_of_the_customers(invoice):
    """54.70 of 154.70 are written off; a credit of 35.70 takes so much of the loss back."""
    pay(invoice, "100.00")
    with clock.frozen_at(NOW):
        write_off(invoice=invoice, reason="Insolvent")
    credit(invoice, ("Seats", "30.00"))
    assert notes() == [("CN-000001", "30.00", "35.70", "35.70", "0.00")]
    assert amounts(invoice) == {
        "status": "uncollectible", "credited": "35.70", "paid": "100.00", "written_off": "19.00", "due": "0.00",
    }  # fmt: skip
    assert [f"{each.amount:.2f}" for each in WriteOff.objects.order_by("id")] == ["54.70", "-35.70"]
    credit(invoice, ("Base", "20.00"))
    assert amounts(invoice) == {
        "status": "paid", "credited": "59.50", "paid": "100.00", "moved_to_balance": "4.80", "due": "0.00",
    }  # fmt: skip
    assert balance() == "4.80"


def test_an_uncollectible_invoice_that_is_credited_whole_is_settled(invoice):
    with clock.frozen_at(NOW):
        mark_uncollectible(invoice=invoice, reason="Gone")
    credit(invoice)
    assert amounts(invoice) == {"status": "paid", "credited": "154.70", "due": "0.00"}


def test_no_window_opens(invoice):
    before = set(BilledWindow.objects.values_list("pk", "kind", "span"))
    credit(invoice)
    assert set(BilledWindow.objects.values_list("pk", "kind", "span")) == before
    with clock.frozen_at(NOW):
        run_due(as_of=NOW)
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1


def test_a_preview_says_it_and_writes_nothing(invoice):
    pay(invoice, "154.70")
    shown = credit(invoice, ("Seats", "30.00"), refund=True, preview=True)
    assert (f"{shown.note.total:.2f}", f"{shown.invoice.credited:.2f}", f"{shown.refunds[0].amount:.2f}") == (
        "35.70",
        "35.70",
        "35.70",
    )
    assert (notes(), amounts(invoice)["status"], Refund.objects.count()) == ([], "paid", 0)
    credit(invoice, ("Seats", "30.00"))
    assert CreditNote.objects.get().number == "CN-000001"


@pytest.mark.parametrize(
    ("amount", "code", "said"),
    [
        ("0", "not_positive", "must be more than zero"),
        ("-5.00", "not_positive", "must be more than zero"),
        ("10.005", "too_fine", "whole units of EUR"),
        ("30.01", "more_than_left", "Only 30[.]00 EUR net is left on Seats"),
    ],
)
def test_an_amount_that_can_not_be_is_refused(invoice, amount, code, said):
    with pytest.raises(InvalidInput, match=said) as refused:
        credit(invoice, ("Base", "1.00"), ("Seats", amount))
    assert refused.value.code == code
    assert [problem.field for problem in refused.value.problems] == ["lines.1.amount"]
    assert (notes(), amounts(invoice)["due"]) == ([], "154.70")


def test_no_more_than_is_left_after_other_notes(invoice):
    credit(invoice, ("Seats", "20.00"))
    with pytest.raises(InvalidInput, match=r"Only 10\.00 EUR net is left"):
        credit(invoice, ("Seats", "10.01"))
    credit(invoice, ("Seats", "10.00"))
    credit(invoice, ("Base", "100.00"))
    with pytest.raises(PreconditionFailed, match="Everything on it has been credited already"):
        credit(invoice)
    assert amounts(invoice)["due"] == "0.00"


def test_a_line_of_another_invoice_or_named_twice_is_refused(invoice):
    for lines in (
        [LineCredit(new_id(), Decimal(1))],
        [LineCredit(line(invoice, "Seats").pk, Decimal(1)), LineCredit(line(invoice, "Seats").pk, Decimal(1))],
        [],
    ):
        with clock.frozen_at(NOW), pytest.raises(InvalidInput):
            credit_invoice(invoice=invoice, lines=lines, refund=False, reason="x")
    assert notes() == []


def test_without_a_reason_nothing_is_credited(invoice):
    with pytest.raises(InvalidInput, match="Say why"):
        credit_invoice(invoice=invoice, lines=None, refund=False, reason=" ")
    assert notes() == []


def test_a_draft_and_a_gathering_invoice_are_refused(invoice):
    make_default_profile(auto_advance=False)
    subscribe(invoice.lines.first().subscription.plan, "2026-04-02", customer=make_customer(key="b", name="B"))
    for status in ("draft.manual_approval_needed", "gathering"):
        other = Invoice.objects.filter(status=status).first()
        with clock.frozen_at(NOW), pytest.raises(WrongInvoiceState, match="Nothing was changed"):
            credit_invoice(invoice=other, lines=None, refund=False, reason="x")
    assert notes() == []


def test_what_was_refunded_for_one_credit_is_not_given_twice(invoice):
    pay(invoice, "154.70")
    credit(invoice, ("Seats", "30.00"))
    with clock.frozen_at(NOW):
        refund_invoice(invoice=invoice, amount=Decimal("35.70"), reason="x")
        with pytest.raises(BillingError):
            refund_invoice(invoice=invoice, amount=Decimal("0.01"), reason="x")
    credit(invoice, refund=True)
    assert (amounts(invoice)["refunded"], balance()) == ("154.70", "0.00")
