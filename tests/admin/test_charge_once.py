"""A one-off charge at the finance desk: the money first, then it waits or is due at once."""

import pytest

from core import clock
from core.audit.models import AuditEntry
from invoicing.models import InvoiceLine
from tests.admin.pages import answered, confirmed, text_of
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.desk import page_url
from tests.support.invoices import invoices

pytestmark = pytest.mark.django_db

ON = at("2026-03-20")
TRAINING = {"name": "Onsite training", "amount": "120.00", "quantity": "2", "due": "now"}


def test_the_money_is_shown_before_the_charge_waits(clerk):
    """2 x 120.00 less 25 % are 180.00, and 34.20 VAT."""
    make_default_profile(tax_enabled=True)
    customer = vat_customer()
    page = answered(clerk, customer, "charge-once", ON, **TRAINING, discount="25")
    shown = text_of(page)
    for words in ("2 × 120.00 EUR", "240.00", "Discount", "-60.00", "Net", "180.00", "Tax", "34.20", "Total", "214.20"):
        assert words in shown, words
    assert not InvoiceLine.objects.exists()
    assert confirmed(clerk, customer, "charge-once", page, ON) == [
        "“Onsite training” waits on the gathering invoice and is due now: the next close bills it."
    ]
    last = AuditEntry.objects.get(verb="add_charge")
    assert (last.reason, last.customer_id) == ("Agreed by phone", customer.pk)
    run("2026-03-20")
    assert invoices() == [("INV-000001", "214.20", "0.00")]


def test_it_waits_for_its_date(clerk):
    make_default_profile()
    customer = make_customer()
    answers = TRAINING | {"due": "at", "moment_0": "2026-05-01", "moment_1": "00:00"}
    page = answered(clerk, customer, "charge-once", ON, **answers)
    assert "until 1 May 2026 00:00 UTC" in text_of(page)
    confirmed(clerk, customer, "charge-once", page, ON)
    run("2026-04-30")
    assert invoices() == []
    run("2026-05-01")
    assert invoices() == [("INV-000001", "240.00", "0.00")]


def test_without_a_date_it_is_asked_for(clerk):
    make_default_profile()
    page = answered(clerk, make_customer(), "charge-once", ON, **TRAINING | {"due": "at"})
    assert "Say when." in page
    assert not InvoiceLine.objects.exists()


def test_an_auditor_sees_no_such_button(auditor, clerk):
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(ON):
        assert "Add a one-off charge" in clerk.read(page_url(customer))
        assert "Add a one-off charge" not in auditor.read(page_url(customer))
        assert auditor.do(customer, "charge-once", **TRAINING).status_code == 403
