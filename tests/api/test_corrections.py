"""Correcting issued invoices over REST, at 19 % VAT."""

import pytest

from core import clock
from core.ids import new_id, to_text
from invoicing.models import CreditNote
from tests.support.api import data, fields_at_fault, refused
from tests.support.books import assert_books_are_clean
from tests.support.corrections import NOW, amounts, line, make_correctable, pay
from tests.support.invoices import balance, notes

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid."""
    return make_correctable()


@pytest.fixture(autouse=True)
def _in_april(db):
    with clock.frozen_at(NOW):
        yield
    assert_books_are_clean("2026-04-10")


def credit(api, invoice, *lines, **body):
    wanted = {"lines": [{"lineId": to_text(line(invoice, name).pk), "amount": amount} for name, amount in lines]}
    shown = {"invoiceId": to_text(invoice.pk), "reason": "Wrong price"} | (wanted if lines else {}) | body
    return api.post("/credit-notes", shown)


class TestCreditNotes:
    def test_a_line_is_credited_in_part(self, api, invoice):
        note = data(credit(api, invoice, ("Seats", "10.00")), 201)
        assert note["totals"] == {"amount": "10.00", "taxesTotal": "1.90", "total": "11.90"}
        assert (note["number"], note["reasonCode"], note["reason"]) == ("CN-000001", "correction", "Wrong price")
        assert (note["reducedDue"], note["movedToBalance"]) == ("11.90", "0.00")
        assert [(each["name"], each["amount"]) for each in note["lines"]] == [("Seats", "10.00")]
        assert data(api.get(f"/credit-notes/{note['id']}")) == note
        assert data(api.get(f"/credit-notes?invoices={to_text(invoice.pk)}"))["items"] == [note]

    def test_without_lines_all_that_is_left_is_credited(self, api, invoice):
        data(credit(api, invoice, ("Seats", "10.00")), 201)
        assert data(credit(api, invoice), 201)["totals"]["total"] == "142.80"
        assert amounts(invoice) == {"status": "paid", "credited": "154.70", "due": "0.00"}

    def test_it_is_refunded_to_the_payment_method(self, api, invoice):
        pay(invoice, "154.70")
        data(credit(api, invoice, refundTo="payment_method"), 201)
        shown = data(api.get(f"/billing/invoices/{to_text(invoice.pk)}"))["amounts"]
        assert (shown["credited"], shown["refunded"], shown["movedToBalance"]) == ("154.70", "154.70", "0.00")
        assert balance() == "0.00"

    def test_a_repeat_with_the_same_key_credits_once(self, api, invoice):
        body = {
            "invoiceId": to_text(invoice.pk),
            "lines": [{"lineId": to_text(line(invoice, "Seats").pk), "amount": "1.00"}],
            "reason": "x",
        }
        first, second = (data(api.post("/credit-notes", body, Idempotency_Key="once"), 201) for _ in range(2))
        assert first == second
        assert CreditNote.objects.count() == 1

    @pytest.mark.parametrize(
        ("amount", "code"), [("0", "not_positive"), ("-1.00", "not_positive"), ("30.01", "more_than_left")]
    )
    def test_an_amount_that_can_not_be_is_refused(self, api, invoice, amount, code):
        assert fields_at_fault(credit(api, invoice, ("Seats", amount))) == {"lines.0.amount": code}
        assert notes() == []

    def test_what_can_not_be_credited_is_refused(self, api, invoice):
        other = [{"lineId": to_text(new_id()), "amount": "1.00"}]
        assert fields_at_fault(credit(api, invoice, lines=other)) == {"lines.0.lineId": "no_charge_of_this_invoice"}
        assert fields_at_fault(credit(api, invoice, lines=[])) == {"lines": "required"}
        assert "reason" in fields_at_fault(credit(api, invoice, reason=" "))
        assert "refundTo" in fields_at_fault(credit(api, invoice, refundTo="cash"))
        refused(credit(api, invoice, invoiceId=to_text(new_id())), 404)
        data(credit(api, invoice), 201)
        assert refused(credit(api, invoice), 412)["type"].endswith(":nothing_left")
        assert len(notes()) == 1
