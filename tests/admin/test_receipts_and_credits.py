"""Payments that staff record, credit notes, the balance, tax rates and plans at the finance desk."""

from decimal import Decimal

import pytest
from django.urls import reverse

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import BalanceEntry, CreditNote, NumberSeries, TaxRate
from tests.support.catalog import make_plan
from tests.support.clock import at
from tests.support.closing import START, make_issued
from tests.support.desk import list_url, page_url, said, verb_url

pytestmark = pytest.mark.django_db

RECEIPT = {"received_on": "2026-03-17", "reference": "TRN-77", "reason": ""}


def test_a_part_payment_leaves_the_rest_due_and_the_rest_pays_in_full(clerk):
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        part = clerk.do(invoice, "record-payment", amount="20.00", **RECEIPT)
        rest = clerk.do(invoice, "record-payment", amount="30.00", **RECEIPT)
    assert said(part) == ["20.00 EUR recorded for INV-000001: 30.00 EUR is still due."]
    assert said(rest) == ["30.00 EUR recorded for INV-000001: paid in full."]
    invoice.refresh_from_db()
    assert (invoice.status, str(invoice.due)) == ("paid", "0.00")
    payment = invoice.payments.last()
    assert (payment.reference, payment.received_at) == ("TRN-77", at("2026-03-17"))


def test_what_is_too_much_goes_to_the_balance(clerk):
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        response = clerk.do(invoice, "record-payment", amount="62.50", **RECEIPT)
    assert said(response) == [
        "62.50 EUR recorded for INV-000001: paid in full, and 12.50 EUR went to the customer's balance."
    ]
    assert BalanceEntry.objects.get().amount == Decimal("12.50")


def test_the_form_offers_what_is_due(clerk):
    invoice = make_issued(collection_method="send_invoice")
    page = clerk.read(reverse("admin:invoicing_invoice_verb", args=[invoice.pk, "record-payment"]))
    assert "How much of the 50.00 EUR due on INV-000001 has arrived?" in page
    assert 'value="50.00"' in page


def test_what_is_recorded_already_is_named_before_it_is_recorded_twice(clerk):
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        clerk.do(invoice, "record-payment", amount="20", **RECEIPT)
        page = clerk.read(verb_url(invoice, "record-payment"))
    assert "Recorded already: 20.00 EUR on 17 Mar 2026, “TRN-77”." in page
    assert "recorded a payment of 20.00 EUR for INV-000001 of Acme, “TRN-77”." in clerk.read(page_url(invoice))


def test_a_payment_that_looks_like_a_recorded_one_is_recorded_once_staff_say_that_it_is_another(clerk):
    invoice = make_issued(collection_method="send_invoice")
    asks = verb_url(invoice, "record-payment")
    with clock.frozen_at(START):
        assert "It is another payment" not in clerk.read(asks)
        clerk.do(invoice, "record-payment", amount="20.00", **RECEIPT)
        refused = clerk.post(asks, RECEIPT | {"amount": "20.00"}).content.decode()
        assert "is recorded for INV-000001 already. Nothing was recorded" in refused
        assert "It is another payment than those recorded" in refused
        clerk.do(invoice, "record-payment", amount="20.00", another="on", **RECEIPT)
    assert [str(payment.amount) for payment in invoice.payments.all()] == ["20.00", "20.00"]


def test_a_refused_amount_leaves_what_else_was_typed(clerk):
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        asks = verb_url(invoice, "record-payment")
        refused = clerk.post(asks, RECEIPT | {"amount": "20.005"}).content.decode()
        comma = clerk.post(asks, RECEIPT | {"amount": "20,50"}).content.decode()
    assert 'value="TRN-77"' in refused
    assert "Nothing was recorded." in refused
    assert "Write the amount with a point and nothing between thousands, such as 1250.00." in comma


def test_a_receipt_on_an_invoice_that_an_app_charges_is_no_charge_of_that_app(clerk):
    invoice = make_issued(decline=True)
    with clock.frozen_at(START):
        clerk.do(invoice, "record-payment", amount="20", **RECEIPT)
    receipt = invoice.payments.get(attempt=None)
    page = clerk.read(page_url(invoice))
    assert f'<a class="ch-link" href="{page_url(receipt)}">' in page
    assert '<td class="ch-nowrap">Receipt</td>' in page
    assert '<td class="ch-nowrap">Sandbox<small>attempt 1</small></td>' in page
    page = clerk.read(page_url(receipt))
    assert "<dt>By</dt><dd>Receipt</dd>" in page
    assert "The money came in; it was recorded here." in page
    assert "Payment of 20.00 EUR for INV-000001" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": "0"}, "A payment must be more than zero."),
        ({"amount": "10.005"}, "no more places"),
        ({"amount": "10", "received_on": "2026-03-18"}, "A payment can't be received in the future."),
    ],
)
def test_what_can_not_be_a_payment_is_refused_and_changes_nothing(clerk, changes, message):
    invoice = make_issued(collection_method="send_invoice")
    with clock.frozen_at(START):
        response = clerk.do(invoice, "record-payment", **(RECEIPT | changes))
    assert message in said(response)[0]
    invoice.refresh_from_db()
    assert (str(invoice.due), invoice.payments.count()) == ("50.00", 0)


def test_an_auditor_records_no_payment(auditor):
    invoice = make_issued(collection_method="send_invoice")
    assert auditor.do(invoice, "record-payment", amount="50.00", **RECEIPT).status_code == 403
    assert invoice.payments.count() == 0


def make_credit_note(invoice):
    series = NumberSeries.objects.get(supplier=invoice.supplier, kind="credit_note")
    NumberSeries.objects.filter(pk=series.pk).update(next_number=2)
    amounts = {"amount": 15, "total": 15, "reduced_due": 0, "moved_to_balance": 15}
    numbered = {"series": series, "sequence": 1, "number": "CN-000001", "issued_at": START}
    reason = CreditNote._meta.get_field("reason_code").choices[0][0]
    note = CreditNote.objects.create(
        customer=invoice.customer, invoice=invoice, currency="EUR", reason_code=reason, **numbered, **amounts
    )
    kind = BalanceEntry._meta.get_field("kind").choices[0][0]
    BalanceEntry.objects.create(
        customer=invoice.customer, currency="EUR", kind=kind, amount=15, invoice=invoice, credit_note=note
    )
    return note


def test_a_credit_note_is_shown_with_its_invoice_and_the_balance(auditor):
    invoice = make_issued()
    note = make_credit_note(invoice)
    assert "CN-000001" in auditor.read(page_url(invoice))
    page = auditor.read(page_url(note))
    assert "INV-000001" in page
    assert '15.00 <span class="ch-currency">EUR</span>' in page
    for model in (CreditNote, BalanceEntry):
        assert "CN-000001" in auditor.read(list_url(model))
    assert '15.00 <span class="ch-currency">EUR</span>' in auditor.read(page_url(invoice.customer))


def test_nobody_edits_a_credit_note(billing_admin):
    note = make_credit_note(make_issued())
    assert billing_admin.post(page_url(note), {"total": "1"}).status_code == 403


def test_a_tax_rate_is_added_and_later_only_ended(billing_admin):
    form = {
        "name": "VAT",
        "rate": "19",
        "country": "de",
        "region": "",
        "category": "",
        "valid_from_0": "2021-01-01",
        "valid_from_1": "00:00:00",
        "valid_to_0": "",
        "valid_to_1": "",
        "change_reason": "Law",
    }
    billing_admin.post(reverse("admin:invoicing_taxrate_add"), form)
    rate = TaxRate.objects.get()
    assert (rate.country, rate.rate, rate.valid_from) == ("DE", 19, at("2021-01-01"))
    ended = form | {"rate": "16", "valid_to_0": "2027-01-01", "valid_to_1": "00:00:00"}
    billing_admin.post(page_url(rate), ended)
    rate.refresh_from_db()
    assert (rate.rate, rate.valid_to) == (19, at("2027-01-01"))
    assert AuditEntry.objects.count() == 2


def test_a_draft_plan_is_published_and_taken_off_sale(billing_admin):
    plan = make_plan(effective_from=None)
    assert said(billing_admin.do(plan, "publish", reason="")) == ["Storage v1 is on sale."]
    plan.refresh_from_db()
    assert plan.effective_from is not None
    assert "off sale" in said(billing_admin.do(plan, "archive", reason="Replaced"))[0]
    assert AuditEntry.objects.get(verb="plan.archived").reason == "Replaced"


def test_a_published_plan_is_not_deleted(billing_admin):
    plan = make_plan()
    [message] = said(billing_admin.do(plan, "delete", reason="Typo"))
    plan.refresh_from_db()
    assert "Archive it instead" in message
    assert plan.deleted_at is None


def test_a_clerk_does_not_publish(clerk):
    plan = make_plan(effective_from=None)
    assert clerk.do(plan, "publish", reason="").status_code == 403
    plan.refresh_from_db()
    assert plan.effective_from is None
