from typing import Any

import pytest

from core import clock
from core.ids import to_text
from invoicing.models import BillingDue, Invoice, InvoiceLine
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber
from tests.support.customers import make_customer, make_default_profile, vat_customer

pytestmark = pytest.mark.django_db

TRAINING: dict[str, Any] = {
    "name": "Onsite training",
    "period": {"from": "2026-04-01T00:00:00Z", "to": "2026-04-02T00:00:00Z"},
    "invoiceAt": "2026-04-02T00:00:00Z",
    "rateCard": {
        "price": {"type": "flat", "amount": "100.00"},
        "discounts": {"percentage": {"percentage": 10}},
        "taxConfig": {"behavior": "inclusive"},
    },
    "metadata": {"order": "4711"},
}


def url(customer):
    return f"/billing/customers/{to_text(customer.pk)}/invoices/pending-lines"


def test_a_pending_line_waits_and_shows_what_it_comes_to(api):
    """90.00 with 19 % in it: 14.37 of them is tax."""
    make_default_profile(tax_enabled=True)
    customer = vat_customer()
    with clock.frozen_at(at("2026-03-20")):
        answer = data(api.post(url(customer), {"currency": "EUR", "lines": [TRAINING]}), 201)
        again = data(api.post(url(customer), {"currency": "EUR", "lines": [TRAINING | {"quantity": "2"}]}), 201)
    [line] = answer["lines"]
    assert (answer["isInvoiceNew"], again["isInvoiceNew"]) == (True, False)
    assert answer["invoice"]["id"] == again["invoice"]["id"]
    assert (line["managedBy"], line["quantity"], line["metadata"]) == ("manual", "1", {"order": "4711"})
    assert (line["totals"]["total"], line["totals"]["taxesInclusiveTotal"]) == ("90.00", "14.37")
    assert "subscription" not in line
    assert answer["invoice"]["status"] == "gathering"
    # Not begun, and so in no total yet.
    assert [each["invoice"]["totals"]["total"] for each in (answer, again)] == ["0.00", "0.00"]
    assert [each["invoice"]["beginsLater"] for each in (answer, again)] == ["90.00", "270.00"]
    with clock.frozen_at(at("2026-04-02")):
        [invoice] = data(
            api.post("/billing/invoices/invoice", {"customerId": answer["invoice"]["customer"]["id"]}), 201
        )
    assert [each["id"] for each in invoice["lines"]] == [line["id"], again["lines"][0]["id"]]
    assert invoice["totals"]["total"] == "270.00"


def test_what_is_wrong_is_named_and_nothing_is_added(api):
    make_default_profile()
    customer = make_customer()

    def refusal(**overrides):
        line = {key: value for key, value in (TRAINING | overrides).items() if value is not None}
        return list(fields_at_fault(api.post(url(customer), {"currency": "EUR", "lines": [TRAINING, line]})))

    assert refusal(rateCard=None) == ["lines.1.rateCard.price"]
    assert refusal(rateCard={"price": {"type": "flat", "amount": "-5"}}) == ["lines.1.rateCard.price.amount"]
    assert refusal(rateCard={"price": {"type": "unit", "amount": "1"}}) == ["lines.1.rateCard.price.type"]
    assert refusal(rateCard={**TRAINING["rateCard"], "featureKey": "calls"}) == ["lines.1.rateCard.featureKey"]
    in_usd = api.post(url(customer), {"currency": "USD", "lines": [TRAINING]})
    assert list(fields_at_fault(in_usd)) == ["currency"]
    assert refused(api.post(url(customer), {"currency": "EUR", "lines": []}), 400)
    assert not Invoice.objects.exists()
    assert not BillingDue.objects.exists()


def test_a_line_of_another_customer_is_not_invoiced(api):
    make_default_profile()
    other = make_subscriber(flat_plan("basic", "50.00"), key="other", name="Other")
    customer = make_customer()
    with clock.frozen_at(at("2026-04-03")):
        [line] = data(api.post(url(customer), {"currency": "EUR", "lines": [TRAINING]}), 201)["lines"]
        body = {"customerId": to_text(other.pk), "filters": {"lineIds": [line["id"]]}}
        assert "do not wait on this customer's" in refused(api.post("/billing/invoices/invoice", body), 400)["detail"]
    assert InvoiceLine.objects.get(pk=line["id"]).invoice.status == "gathering"
