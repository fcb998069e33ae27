"""Correcting issued invoices at the finance desk, the money first: credit, void, void and reissue, at 19 % VAT."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.ids import to_text
from invoicing.models import BilledWindow, Invoice, Refund
from tests.admin.pages import text_of
from tests.admin.test_collection import figures
from tests.support.books import assert_books_are_clean
from tests.support.catalog import make_plan
from tests.support.corrections import NOW, amounts, fee, line, make_correctable, pay
from tests.support.customers import make_customer, make_default_profile
from tests.support.desk import page_url, said, verb_url
from tests.support.invoices import balance, invoices, notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_april(db):
    with clock.frozen_at(NOW):
        yield
    assert_books_are_clean("2026-04-10")


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid, and paid by bank."""
    return make_correctable()


def answers(invoice, *, refund_to="balance", what="lines", **credited):
    typed = {f"line_{to_text(line(invoice, name).pk)}": amount for name, amount in credited.items()}
    return {"what": what, "refund_to": refund_to, "reason": "Wrong price"} | typed


def look(desk, invoice, verb, **typed):
    """The page with the money, before it is confirmed."""
    return desk.post(verb_url(invoice, verb), typed).content.decode()


def test_a_wrong_line_is_credited_with_the_money_first(approver, invoice):
    asked = approver.read(verb_url(invoice, "credit"))
    assert "1 Apr 2026 to 1 May 2026: 30.00 EUR is left, without the tax that comes on top." in asked
    typed = answers(invoice, Seats="10.00")
    page = look(approver, invoice, "credit", **typed)
    assert "Seats 10.00 EUR 1.90 EUR 19 % 11.90 EUR" in text_of(page)
    assert figures(page) == {
        "Status": ("Issued", "Issued"),
        "Due": ("154.70 EUR", "142.80 EUR"),
        "Credited": ("0.00 EUR", "11.90 EUR"),
    }
    assert notes() == []
    assert said(approver.do(invoice, "credit", **typed)) == [
        "CN-000001 credits 11.90 EUR of INV-000001. 11.90 EUR comes off what is owed."
    ]
    assert amounts(invoice)["due"] == "142.80"
    assert AuditEntry.objects.get(verb="credit_invoice").reason == "Wrong price"
    assert "CN-000001" in approver.read(page_url(invoice))


def test_a_paid_one_is_credited_and_refunded_at_once(approver, invoice):
    pay(invoice, "154.70")
    typed = answers(invoice, what="whole", refund_to="payment_method")
    page = look(approver, invoice, "credit", **typed)
    assert figures(page)["Refunded"] == ("0.00 EUR", "154.70 EUR")
    assert Refund.objects.count() == 0
    assert said(approver.do(invoice, "credit", **typed)) == [
        "CN-000001 credits 154.70 EUR of INV-000001. 154.70 EUR is recorded as given back: send the money to the "
        "customer."
    ]
    assert (amounts(invoice)["refunded"], balance()) == ("154.70", "0.00")


def test_what_was_confirmed_is_done_once(approver, invoice):
    """Twice by a second click: what is left is another amount by then, and it is shown again."""
    typed = answers(invoice, Seats="10.00")
    page = look(approver, invoice, "credit", **typed)
    seen = page.split('name="seen" value="')[1].split('"')[0]
    approver.do(invoice, "credit", seen=seen, **typed)
    again = approver.do(invoice, "credit", seen=seen, **typed)
    assert "The figures have changed since you saw them." in again.content.decode()
    assert len(notes()) == 1


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"Seats": "30.01"}, "Only 30.00 EUR net is left on Seats."),
        ({"Seats": "-1"}, "What is credited of Seats must be more than zero."),
        ({"Seats": "0"}, "What is credited of Seats must be more than zero."),
        ({}, "Write an amount beside a line, or choose everything that is left."),
    ],
)
def test_what_can_not_be_credited_is_said_on_the_form(approver, invoice, typed, why):
    assert why in text_of(look(approver, invoice, "credit", **answers(invoice, **typed)))
    assert notes() == []


def test_voiding_shows_the_money_and_asks_what_becomes_of_the_periods(approver, invoice):
    page = approver.read(verb_url(invoice, "void"))
    assert figures(page) == {"Status": ("Issued", "Voided"), "Due": ("154.70 EUR", "0.00 EUR")}
    assert "are billed again at the next close" in page
    response = approver.do(invoice, "void", windows="waive", reason="Goodwill")
    assert said(response) == ["INV-000001 is void; its periods are waived."]
    assert set(BilledWindow.objects.values_list("kind", flat=True)) == {"waiver"}
    assert "Nothing is owed for it." in text_of(approver.read(page_url(invoice)))


def test_a_paid_one_says_why_it_can_not_be_voided_and_leads_to_the_credit(approver, invoice):
    pay(invoice, "54.70")
    page = text_of(approver.read(page_url(invoice)))
    assert page.count("54.70 EUR of it is paid: credit it instead") == 2
    for verb in ("void", "reissue"):
        response = approver.do(invoice, verb, windows="rebill", reason="x")
        assert "credit it instead" in said(response)[0]
    assert amounts(invoice)["status"] == "issued"


def test_reissuing_shows_both_side_by_side_and_links_them(approver, invoice):
    make_default_profile(tax_enabled=False)
    page = look(approver, invoice, "reissue", reason="Exempt")
    shown = text_of(page)
    assert "Base 1 Apr 2026 00:00 UTC 100.00 EUR 100.00 EUR" in shown
    assert "Tax 24.70 EUR 0.00 EUR" in shown
    assert "Total 154.70 EUR 130.00 EUR" in shown
    assert "Difference -24.70 EUR" in shown
    assert len(invoices()) == 1
    response = approver.do(invoice, "reissue", reason="Exempt")
    assert said(response) == ["INV-000001 is void; INV-000002 over 130.00 EUR is issued instead."]
    assert "INV-000002 was issued instead." in text_of(approver.read(page_url(invoice)))
    later = Invoice.objects.get(number="INV-000002")
    assert "Issued instead of INV-000001" in text_of(approver.read(page_url(later)))


def test_a_clerk_has_none_of_the_three(clerk, invoice):
    page = clerk.read(page_url(invoice))
    for verb in ("credit", "void", "reissue"):
        assert verb_url(invoice, verb) not in page
        assert clerk.get(verb_url(invoice, verb)).status_code == 403


def test_a_draft_offers_none_of_the_three(approver, invoice):
    make_default_profile(auto_advance=False)
    plan = make_plan(key="b", name="B", cards=(fee("base", "Base", "1.00"),))
    subscribe(plan, "2026-04-10", customer=make_customer(key="b", name="B"))
    draft = Invoice.objects.get(status="draft.manual_approval_needed")
    page = approver.read(page_url(draft))
    assert all(verb_url(draft, verb) not in page for verb in ("credit", "void", "reissue"))
    assert "It is a draft" in said(approver.do(draft, "credit", **answers(invoice, what="whole")))[0]
    assert notes() == []
