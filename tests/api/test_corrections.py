"""Correcting issued invoices over REST, at 19 % VAT."""

import pytest

from core import clock
from core.ids import new_id, to_text
from invoicing.models import CreditNote
from tests.support.api import data, fields_at_fault, refused
from tests.support.books import assert_books_are_clean
from tests.support.closing import run
from tests.support.corrections import NOW, amounts, line, make_correctable, pay
from tests.support.invoices import balance, invoices, lines_of, notes

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


WHOLE = {"percentage": 100, "action": {"type": "pending"}}
WAIVED = {"percentage": 100, "action": {"type": "discard"}}


def void(api, invoice, action=WHOLE, **body):
    shown = {"action": action, "reason": "Wrong address"} | body
    return api.post(f"/billing/invoices/{to_text(invoice.pk)}/void", shown)


def shown_actions(api, invoice):
    return data(api.get(f"/billing/invoices/{to_text(invoice.pk)}"))["statusDetails"]["availableActions"]


class TestVoid:
    def test_it_is_voided_and_billed_again_at_the_next_close(self, api, invoice):
        assert shown_actions(api, invoice) == {"void": {"resultingState": "voided"}}
        shown = data(void(api, invoice))
        assert (shown["status"], shown["number"], shown["voidedAt"]) == ("voided", "INV-000001", "2026-04-10T00:00:00Z")
        assert (shown["amounts"]["total"], shown["amounts"]["due"]) == ("154.70", "0.00")
        assert len(shown["lines"]) == 2
        assert shown_actions(api, invoice) == {}
        run("2026-04-10")
        assert lines_of("INV-000002") == [("Base", "100.00"), ("Seats", "30.00")]

    def test_discarded_lines_are_waived(self, api, invoice):
        override = {"lineId": to_text(line(invoice, "Base").pk), "action": WHOLE}
        data(void(api, invoice, WAIVED, overrides=[override]))
        run("2026-04-10")
        assert lines_of("INV-000002") == [("Base", "100.00")]

    def test_without_overrides_as_null(self, api, invoice):
        data(void(api, invoice, WAIVED, overrides=None))
        run("2026-04-10")
        assert len(invoices()) == 1

    def test_what_is_paid_is_refused_with_the_way(self, api, invoice):
        pay(invoice, "54.70")
        assert "void" not in shown_actions(api, invoice)
        problem = refused(void(api, invoice), 412)
        assert "54.70 EUR of it is paid: credit it instead" in problem["detail"]
        assert amounts(invoice)["due"] == "100.00"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"action": {"percentage": 50, "action": {"type": "pending"}}}, "action.percentage"),
            ({"action": {"percentage": 100, "action": {"type": "keep"}}}, "action.action.type"),
            (
                {"action": {"percentage": 100, "action": {"type": "pending", "nextInvoiceAt": "2026-05-01T00:00:00Z"}}},
                "action.action.nextInvoiceAt",
            ),
            ({"reason": ""}, "reason"),
            ({"overrides": [{"lineId": to_text(new_id()), "action": WHOLE}]}, "overrides"),
        ],
    )
    def test_what_can_not_be_done_is_refused(self, api, invoice, body, field):
        assert list(fields_at_fault(void(api, invoice, **body))) == [field]
        assert amounts(invoice)["status"] == "issued"

    def test_a_draft_and_an_unknown_one_are_refused(self, api, invoice):
        gathering = type(invoice).objects.get(status="gathering")
        refused(void(api, gathering), 412)
        refused(api.post(f"/billing/invoices/{to_text(new_id())}/void", {"action": WHOLE, "reason": "x"}), 404)


class TestReissue:
    def test_the_two_name_each_other(self, api, invoice):
        path = f"/billing/invoices/{to_text(invoice.pk)}"
        pair = data(api.post(f"{path}/reissue", {"reason": "Wrong address"}))
        voided, replacement = pair["voided"], pair["replacement"]
        assert (voided["number"], voided["status"]) == ("INV-000001", "voided")
        assert (replacement["number"], replacement["status"]) == ("INV-000002", "issued")
        assert voided["replacedBy"] == {"id": replacement["id"], "number": "INV-000002"}
        assert replacement["preceding"] == [
            {
                "type": "credit_note_original_invoice",
                "number": "INV-000001",
                "issuedAt": "2026-04-01T00:00:00Z",
                "url": f"http://testserver/api/v1{path}",
                "id": to_text(invoice.pk),
            }
        ]
        assert "preceding" not in voided
        assert "replacedBy" not in replacement
        assert [each["totals"]["amount"] for each in replacement["lines"]] == ["100.00", "30.00"]
        listed = data(api.get("/billing/invoices?statuses=voided"))["items"]
        assert [each["replacedBy"]["number"] for each in listed] == ["INV-000002"]

    def test_what_is_paid_and_what_is_no_issued_invoice_is_refused(self, api, invoice):
        gathering = type(invoice).objects.get(status="gathering")
        refused(api.post(f"/billing/invoices/{to_text(gathering.pk)}/reissue", {"reason": "x"}), 412)
        pay(invoice, "154.70")
        problem = refused(api.post(f"/billing/invoices/{to_text(invoice.pk)}/reissue", {"reason": "x"}), 412)
        assert "credit it instead" in problem["detail"]
        assert len(invoices()) == 1
