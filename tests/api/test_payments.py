"""`/payments`: a receipt recorded in full, in part, too much; and what is refused."""

import pytest

from core.ids import to_text
from invoicing.models import Payment
from tests.support.api import data, fields_at_fault, refused
from tests.support.closing import make_issued

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db):
    return make_issued(collection_method="send_invoice")


def receipt(invoice, **overrides):
    body = {
        "invoiceId": to_text(invoice.pk),
        "amount": "50.00",
        "currency": "EUR",
        "receivedAt": "2026-03-18T00:00:00Z",
        "reference": "Statement 12",
    }
    return body | overrides


def test_a_receipt_pays_the_invoice_and_is_listed(api, invoice):
    made = data(api.post("/payments", receipt(invoice, amount="62.50")), 201)
    assert (made["status"], made["amount"], made["toBalance"]) == ("succeeded", "62.50", "12.50")
    assert made["reference"] == "Statement 12"
    assert data(api.get(f"/payments/{made['id']}")) == made
    listed = data(api.get(f"/payments?invoices={to_text(invoice.pk)}&status=succeeded"))
    assert listed["items"] == [made]
    shown = data(api.get(f"/billing/invoices/{to_text(invoice.pk)}"))
    assert (shown["status"], shown["amounts"]["paid"], shown["amounts"]["movedToBalance"]) == ("paid", "62.50", "12.50")


def test_a_reference_has_as_many_characters_as_a_row_of_a_bank_statement(api, invoice):
    too_long = refused(api.post("/payments", receipt(invoice, reference="x" * 501)), 400)
    assert "500" in str(too_long)
    made = data(api.post("/payments", receipt(invoice, reference="x" * 500)), 201)
    assert made["reference"] == "x" * 500


def test_a_part_leaves_the_rest_due(api, invoice):
    data(api.post("/payments", receipt(invoice, amount="30.00")), 201)
    shown = data(api.get(f"/billing/invoices/{to_text(invoice.pk)}"))
    assert (shown["status"], shown["amounts"]["due"]) == ("issued", "20.00")


def test_another_currency_another_invoice_or_no_money_is_refused(api, invoice):
    assert fields_at_fault(api.post("/payments", receipt(invoice, currency="USD"))) == {"currency": "invalid"}
    assert "amount" in fields_at_fault(api.post("/payments", receipt(invoice, amount="0")))
    assert fields_at_fault(api.post("/payments", receipt(invoice, amount="1.005"))) == {"amount": "bad_amount"}
    refused(api.post("/payments", receipt(invoice, invoiceId="01G65Z755AFWAKHE12NY0CQ9FH")), 404)
    assert not Payment.objects.exists()


def test_a_paid_invoice_takes_no_more(api, invoice):
    data(api.post("/payments", receipt(invoice)), 201)
    refused(api.post("/payments", receipt(invoice)), 412)
    assert Payment.objects.count() == 1


def test_what_looks_like_a_receipt_that_is_recorded_is_asked_about(api, invoice):
    body = receipt(invoice, amount="20.00")
    data(api.post("/payments", body), 201)
    said = refused(api.post("/payments", body), 409)["detail"]
    assert said.startswith("A payment of 20.00 EUR on 2026-03-18, “Statement 12”, is recorded for INV-000001 already.")
    assert Payment.objects.count() == 1
    for other in ({"reference": "Statement 13"}, {"amount": "5.00"}, {"another": True}):
        data(api.post("/payments", body | other), 201)
    shown = data(api.get(f"/billing/invoices/{to_text(invoice.pk)}"))
    assert (shown["amounts"]["paid"], shown["amounts"]["movedToBalance"]) == ("65.00", "15.00")
