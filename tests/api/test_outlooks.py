"""Previews over REST show the documents and balance movements that follow, in the shapes that the schema says."""

from decimal import Decimal

import pytest
from django.urls import reverse

from core import clock
from core.ids import to_text
from customers.models import Customer
from invoicing.models import InvoiceLine, ParkedCustomer
from invoicing.subscription_changes.start_subscription import start_subscription
from tests.services.outlooks import live
from tests.support.api import data
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.closing import START, make_draft
from tests.support.customers import make_default_profile, vat_customer
from tests.support.desk import Desk
from tests.support.invoices import notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(db):
    """90.00 for the 90 days from 1 January on, with 19 % VAT, billed and paid."""
    cards = (flat_card(name="Basic fee", price=fee("90.00"), billing_cadence="P3M"),)
    subscription = subscribe(flat_plan("basic", None, cards=cards), "2026-01-01", customer=vat_customer())
    return f"/subscriptions/{to_text(subscription.pk)}"


def test_an_end_to_come_is_previewed_with_its_credit_note(api, address):
    """30 of 90 days are used by 31 January: 60.00 come back, with VAT 71.40."""
    with clock.frozen_at(at("2026-01-15")):
        shown = data(api.post(f"{address}/preview-change", {"timing": "2026-01-31T00:00:00Z"}))
    assert (shown["creditAmount"], shown["creditNoteTotal"], shown["dueNow"]) == ("60.00", "71.40", "0.00")
    [note] = shown["documents"]
    [line] = note.pop("lines")
    assert note == {
        "type": "credit_note",
        "number": None,
        "at": "2026-01-31T00:00:00Z",
        "currency": "EUR",
        "totals": {"amount": "60.00", "taxesTotal": "11.40", "total": "71.40"},
        "isDraft": False,
        "needsApproval": False,
        "over": "INV-000001",
        "reducedDue": "0.00",
        "movedToBalance": "71.40",
    }
    assert (line["name"], line["kind"], line["runningNumber"]) == ("Unused part: Basic fee", "credit", 1)
    assert line["period"] == {"from": "2026-01-31T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    assert (line["amount"], line["taxesTotal"], line["total"]) == ("60.00", "11.40", "71.40")
    assert shown["balanceMovements"] == [
        {
            "type": "credit_note",
            "at": "2026-01-31T00:00:00Z",
            "amount": "71.40",
            "currency": "EUR",
            "balance": "71.40",
        }
    ]
    assert shown["shownUntil"] == "2026-01-31T00:00:00Z"
    assert "stopsBecause" not in shown


def test_an_end_three_minutes_ahead_is_previewed_with_the_credit_note_that_follows(api, db):
    """1,200.00 for the year 2026, 31,536,000 s. The end, on 12 January at 00:06, comes after 950,760 s: 30,585,240 s
    come back, 1,200.00 x 30,585,240 / 31,536,000 = 1,163.8219..., so 1,163.82; VAT 19 % of it 221.1258, so 221.13."""
    year = flat_card(name="Basic fee", price=fee("1200.00"), billing_cadence="P1Y")
    subscription = subscribe(flat_plan("basic", None, cards=(year,)), "2026-01-01", customer=vat_customer())
    address, end = f"/subscriptions/{to_text(subscription.pk)}", {"timing": "2026-01-12T00:06:00Z"}
    with clock.frozen_at(at("2026-01-12T00:03")):
        shown = data(api.post(f"{address}/preview-change", end))
        data(api.post(f"{address}/cancel", end))
        [to_come] = data(api.get("/customers/acme/preview-invoices?until=2026-01-12T00:06:00Z"))
    totals = {"amount": "1163.82", "taxesTotal": "221.13", "total": "1384.95"}
    [note] = shown["documents"]
    assert (shown["creditNoteTotal"], shown["dueNow"], note["type"]) == ("1384.95", "0.00", "credit_note")
    assert (note["at"], note["totals"], note["movedToBalance"]) == ("2026-01-12T00:06:00Z", totals, "1384.95")
    assert (to_come["type"], to_come["at"], to_come["totals"]["total"]) == (note["type"], note["at"], "1384.95")
    live(at("2026-01-12T00:03"), at("2026-01-12T00:06"))
    assert notes() == [("CN-000001", "1163.82", "1384.95", "0.00", "1384.95")]


def test_a_quantity_is_previewed_with_the_invoice_on_which_it_counts(api, address):
    body = {"productId": "base", "quantity": "2", "alignment": {"customerPricePreviewOnly": True}}
    with clock.frozen_at(at("2026-01-15")):
        shown = data(api.call("PUT", f"{address}/items/1", body))
        done = data(api.call("PUT", f"{address}/items/1", body | {"alignment": {}}))
    first = shown["documents"][0]
    assert (first["type"], first["at"], first["totals"]["total"]) == ("invoice", "2026-04-01T00:00:00Z", "214.20")
    assert "documents" not in done


def test_what_follows_up_to_a_time_is_shown_with_credit_notes_and_the_balance(api, address):
    with clock.frozen_at(at("2026-01-15")):
        data(api.post(f"{address}/cancel", {"timing": "2026-01-31T00:00:00Z"}))
        assert data(api.get("/customers/acme/preview-invoices")) == []
        [note] = data(api.get("/customers/acme/preview-invoices?until=2026-03-31T00:00:00Z"))
    [line] = note.pop("lines")
    assert note.pop("customerId")
    assert note == {
        "type": "credit_note",
        "number": None,
        "over": "INV-000001",
        "at": "2026-01-31T00:00:00Z",
        "currency": "EUR",
        "isDraft": False,
        "needsApproval": False,
        "totals": {
            "amount": "60.00",
            "chargesTotal": "0.00",
            "discountsTotal": "0.00",
            "creditsTotal": "0.00",
            "taxesInclusiveTotal": "0.00",
            "taxesExclusiveTotal": "11.40",
            "taxesTotal": "11.40",
            "total": "71.40",
        },
        "reducedDue": "0.00",
        "movedToBalance": "71.40",
        "balanceMovements": [
            {
                "type": "credit_note",
                "at": "2026-01-31T00:00:00Z",
                "amount": "71.40",
                "currency": "EUR",
                "balance": "71.40",
            }
        ],
    }
    assert (line["name"], line["quantity"], line["invoiceAt"]) == (
        "Unused part: Basic fee",
        "1",
        "2026-01-31T00:00:00Z",
    )
    assert line["totals"] == note["totals"]


def test_the_line_that_waits_keeps_its_id_and_each_period_is_an_invoice_of_its_own(api, address):
    [waiting] = InvoiceLine.objects.filter(invoice__status="gathering")
    with clock.frozen_at(at("2026-01-15")):
        first, second = data(api.get("/customers/acme/preview-invoices?until=2026-07-01T00:00:00Z"))
    assert [(each["at"], each["due"], each["balanceMovements"]) for each in (first, second)] == [
        ("2026-04-01T00:00:00Z", "107.10", []),
        ("2026-07-01T00:00:00Z", "107.10", []),
    ]
    assert first["lines"][0]["id"] == to_text(waiting.pk)


def test_where_billing_stops_the_cause_is_said_and_how_to_see_what_comes_before(api, address, settings):
    with clock.frozen_at(at("2026-01-15")):
        settings.AMOUNT_LIMITS = {"EUR": Decimal(100_000)}
        start_subscription(
            customer=Customer.objects.get(), plan=flat_plan("giant", "200000.00"), active_from=at("2026-05-01")
        )
        refused = api.get("/customers/acme/preview-invoices?until=2026-07-01T00:00:00Z")
        assert refused.status_code == 412
        assert refused.json()["detail"].startswith("Billing stops at 2026-05-01T00:00:00Z: ")
        assert "beyond the safety limit" in refused.json()["detail"]
        [before] = refused.json()["extensions"]["documents"]
        assert (before["at"], before["totals"]["total"]) == ("2026-04-01T00:00:00Z", "107.10")
        assert len(data(api.get("/customers/acme/preview-invoices?until=2026-04-30T00:00:00Z"))) == 1
        ParkedCustomer.objects.create(customer=Customer.objects.get(), cause_code="x", cause="No price.")
        refused = api.get("/customers/acme/preview-invoices")
        assert refused.status_code == 412
        assert refused.json()["detail"] == "Billing is parked until the customer is released: No price."
        assert "extensions" not in refused.json()


def test_of_a_parked_customer_the_drafts_are_shown_with_the_cause_as_at_the_desk(api, db):
    """50.00 as a draft until 20 March; then the customer is parked. It is issued on the 20th all the same."""
    with clock.frozen_at(START):
        draft = make_draft(auto_advance=True, draft_period="P3D")
    customer = draft.customer
    ParkedCustomer.objects.create(customer=customer, cause_code="x", cause="No price.")
    parked = "Billing is parked until the customer is released: No price."
    with clock.frozen_at(START):
        answer = api.get(f"/customers/{customer.key}/preview-invoices?until=2026-03-25T00:00:00Z")
        assert answer.status_code == 412
        assert answer.json()["detail"] == parked
        [shown] = answer.json()["extensions"]["documents"]
        assert (shown["at"], shown["totals"]["total"]) == ("2026-03-20T00:00:00Z", "50.00")
        page = Desk("Finance clerk").read(reverse("admin:customers_customer_next", args=[customer.pk]))
    assert "50.00" in page and parked in page


def test_a_start_to_come_is_previewed_with_its_first_two_invoices(api, db):
    make_default_profile()
    vat_customer()
    flat_plan("basic", "30.00")
    body = {"customerKey": "acme", "plan": {"key": "basic"}, "timing": "2026-05-01T00:00:00Z"}
    with clock.frozen_at(at("2026-04-16")):
        shown = data(api.post("/subscriptions/preview", body))
    assert [(each["at"], each["totals"]["total"]) for each in shown["documents"]] == [
        ("2026-05-01T00:00:00Z", "35.70"),
        ("2026-06-01T00:00:00Z", "35.70"),
    ]
