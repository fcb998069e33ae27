"""A draft is replaced through the API: what can be changed is, and all else is refused."""

import pytest

from core import clock
from core.ids import to_text
from invoicing.models import Invoice
from tests.support.api import data, fields_at_fault, refused
from tests.support.catalog import flat_plan
from tests.support.clock import at
from tests.support.closing import make_subscriber, run
from tests.support.customers import make_default_profile
from tests.support.late_usage import draft_with_adjustment

pytestmark = pytest.mark.django_db

ON = at("2026-03-18")
TRAINING = {
    "name": "Training",
    "period": {"from": "2026-03-18T00:00:00Z", "to": "2026-03-18T00:00:00Z"},
    "invoiceAt": "2026-03-18T00:00:00Z",
    "rateCard": {"price": {"type": "flat", "amount": "30.00"}},
}


@pytest.fixture
def draft(api):
    """Over the fee of 50.00 of 17 March."""
    make_default_profile(auto_advance=False)
    make_subscriber(flat_plan("basic", "50.00"))
    run("2026-03-17")
    return read(api, Invoice.objects.get(status__startswith="draft.").pk)


def read(api, pk):
    with clock.frozen_at(ON):
        return data(api.get(f"/billing/invoices/{to_text(pk)}"))


def body_of(invoice, *lines):
    """What a caller sends who changes nothing, with these lines instead."""
    kept = {name: invoice[name] for name in ("supplier", "customer", "workflow", "metadata")}
    return kept | {"lines": list(lines) or [line_of(line) for line in invoice["lines"]]}


def line_of(line, **changes):
    return {name: line[name] for name in ("id", "name", "period", "invoiceAt", "rateCard", "quantity")} | changes


def put(api, invoice, body):
    with clock.frozen_at(ON):
        return api.put(f"/billing/invoices/{invoice['id']}", body)


def test_what_says_nothing_else_changes_nothing(api, draft):
    assert data(put(api, draft, body_of(draft))) == draft


def test_late_usage_on_a_draft_stays_as_it_is(api):
    """4 units of May become 5; the 7 of April that came late stay."""
    draft = read(api, draft_with_adjustment().pk)
    assert data(put(api, draft, body_of(draft))) == draft
    more = [line_of(line, **({"quantity": "5"} if line["name"] == "Calls" else {})) for line in draft["lines"]]
    assert data(put(api, draft, body_of(draft, *more)))["totals"]["total"] == "12.00"


def test_discounts_quantities_and_charges_are_changed_together(api, draft):
    """Two fees less 10 % are 90.00, and the training 30.00; then the training is gone, the fee as it was."""
    [fee] = draft["lines"]
    card = fee["rateCard"] | {"discounts": {"percentage": {"percentage": 10}}}
    body = body_of(draft, line_of(fee, rateCard=card, quantity="2"), TRAINING) | {"description": "As agreed"}
    changed = data(put(api, draft, body))
    assert (changed["totals"]["total"], changed["description"]) == ("120.00", "As agreed")
    fee, training = changed["lines"]
    assert [(line["managedBy"], line["quantity"]) for line in (fee, training)] == [("manual", "2"), ("manual", "1")]
    assert fee["explain"]["byHand"] == {"quantity": "1", "net": "50.00"}

    assert data(put(api, changed, body_of(changed)))["totals"] == changed["totals"]
    plain = fee["rateCard"] | {"discounts": None}
    plain.pop("discounts")
    back = data(put(api, changed, body_of(changed, line_of(fee, rateCard=plain, quantity="1"))))
    assert [(line["name"], line["managedBy"]) for line in back["lines"]] == [("Basic fee", "subscription")]
    assert back["totals"]["total"] == "50.00"


def test_what_can_not_be_changed_is_named(api, draft):
    [fee] = draft["lines"]
    dearer = fee["rateCard"] | {"price": fee["rateCard"]["price"] | {"amount": "60.00"}}
    cases = {
        "lines": body_of(draft, TRAINING),
        "lines.0.rateCard.price": body_of(draft, line_of(fee, rateCard=dearer)),
        "lines.0.name": body_of(draft, line_of(fee, name="Other")),
        "lines.1.id": body_of(draft, line_of(fee), line_of(fee)),
        "supplier.name": body_of(draft) | {"supplier": draft["supplier"] | {"name": "Another"}},
    }
    for field, body in cases.items():
        assert list(fields_at_fault(put(api, draft, body))) == [field]
    assert read(api, Invoice.objects.get(status__startswith="draft.").pk) == draft


def test_who_read_it_before_somebody_else_changed_it_is_refused(api, draft):
    first = body_of(draft) | {"description": "First", "updatedAt": draft["updatedAt"]}
    second = first | {"description": "Second"}
    assert data(put(api, draft, first))["description"] == "First"
    assert "changed since you read it" in refused(put(api, draft, second), 412)["detail"]


def test_an_issued_invoice_is_refused_with_the_way_out(api, draft):
    with clock.frozen_at(ON):
        data(api.post(f"/billing/invoices/{draft['id']}/approve"))
    assert "Credit what is wrong on it" in refused(put(api, draft, body_of(draft)), 412)["detail"]
