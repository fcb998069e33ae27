"""`PUT /subscriptions/{id}/items/{runningNumber}`: billing rules 4 over REST."""

from decimal import Decimal

import pytest

from core import clock
from core.outbox.models import OutboxMessage
from invoicing.closing.close_customers import close_customers
from invoicing.models import Invoice
from subscriptions.catalog.save_coupon import CouponFacts, create_coupon
from subscriptions.models import QuantityChange, QuantityReport
from tests.support.api import Api, data, fields_at_fault, refused
from tests.support.catalog import flat_card, make_excess_plan, make_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

TEN_A_SEAT = flat_card(key="seats", name="Seats", price={"type": "flat", "amount": "10.00"})
ALIGNED = {"alignment": {"alignToCurrentInterval": True}}


def bought(api, plan_key, start, **body):
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(at(start)):
        body = {"customerKey": "acme", "plan": {"key": plan_key}} | body
        created = data(api.post("/subscriptions", body), 201)
        close_customers([customer.id], as_of=at(start))
    OutboxMessage.objects.all().delete()
    return f"/subscriptions/{created['id']}/items"


@pytest.fixture
def seats(api):
    """5 seats at 10.00 from 1 April."""
    make_plan(key="team", cards=(TEN_A_SEAT,))
    return f"{bought(api, 'team', '2026-04-01', quantities={'seats': '5'})}/1"


@pytest.fixture
def excess(api):
    """The plan of billing rules 4, bought on 17 March."""
    make_excess_plan()
    return f"{bought(api, 'storage', '2026-03-17')}/2"


def put(api, path, now, **body):
    with clock.frozen_at(at(now)):
        return api.put(path, body)


def test_an_aligned_change_bills_the_difference_at_once(api, seats):
    answer = data(put(api, seats, "2026-04-16", productId="seats", quantity="8", updateAction="upgrade", **ALIGNED))
    assert answer.pop("invoiceId")
    assert answer == {
        "amountDueNow": "15.00",
        "amountAtNextBilling": "80.00",
        "nextBillingDate": "2026-05-01T00:00:00Z",
        "currency": "EUR",
    }
    assert [str(invoice.total) for invoice in Invoice.objects.filter(issued_at__isnull=False).order_by("sequence")] == [
        "50.00",
        "15.00",
    ]


def test_a_change_without_alignment_counts_from_the_next_billing_date(api, seats):
    answer = data(put(api, seats, "2026-04-16", productId="seats", quantity=8))
    assert answer == {
        "amountDueNow": "0.00",
        "amountAtNextBilling": "80.00",
        "nextBillingDate": "2026-05-01T00:00:00Z",
        "currency": "EUR",
    }


def test_a_preview_answers_the_same_and_writes_nothing(api, seats):
    alignment = {"alignToCurrentInterval": True, "customerPricePreviewOnly": True}
    answer = data(put(api, seats, "2026-04-16", productId="seats", quantity="8", alignment=alignment))
    assert (answer["amountDueNow"], answer["amountAtNextBilling"]) == ("15.00", "80.00")
    assert "invoiceId" not in answer
    assert QuantityChange.objects.count() == 1
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1
    assert not OutboxMessage.objects.exists()


def test_a_lower_quantity_can_not_be_aligned_and_changes_nothing(api, seats):
    refused(put(api, seats, "2026-04-16", productId="seats", quantity="3", **ALIGNED), 409)
    assert QuantityChange.objects.count() == 1


@pytest.mark.parametrize(("action", "stored"), [("upgrade", "upgrade"), (2, "downgrade"), ("0", "update")])
def test_the_action_is_kept_for_the_record(api, seats, action, stored):
    data(put(api, seats, "2026-04-16", productId="seats", quantity="8", updateAction=action))
    assert QuantityChange.objects.latest("recorded_at").action == stored


def test_a_usage_item_takes_the_quantity_as_its_report(api, excess):
    answer = data(put(api, excess, "2026-04-16T23:00", productId="storage", quantity="200"))
    assert answer == {
        "amountDueNow": "0.00",
        "amountAtNextBilling": "58.00",
        "nextBillingDate": "2026-04-17T00:00:00Z",
        "currency": "EUR",
    }
    assert QuantityReport.objects.get().period_start == at("2026-03-17")


def test_a_report_after_the_snapshot_is_late(api, excess):
    data(put(api, excess, "2026-04-16T23:00", productId="storage", quantity="200"))
    with clock.frozen_at(at("2026-04-17")):
        close_customers([Invoice.objects.first().customer_id], as_of=at("2026-04-17"))
    body = {"productId": "storage", "quantity": "300", "usagePeriodStart": "2026-03-17T00:00:00Z"}
    assert data(put(api, excess, "2026-04-18", **body))["lateUsage"] is True


def test_a_change_sends_a_notice_unless_it_is_suppressed(api, seats):
    data(put(api, seats, "2026-04-16", productId="seats", quantity="8", sendNotification=False))
    assert not OutboxMessage.objects.exists()
    data(put(api, seats, "2026-04-16", productId="seats", quantity="9"))
    assert OutboxMessage.objects.get().payload["subject"] == "Your subscription Storage has changed"


def test_a_coupon_is_redeemed_with_the_update(api, excess):
    create_coupon(facts=CouponFacts(code="HALF", percentage=Decimal(50)))
    answer = data(put(api, excess, "2026-04-16", productId="storage", quantity="200", couponCode="HALF"))
    assert answer["amountAtNextBilling"] == "54.00"


def test_a_backdated_change_needs_the_scope_for_it(api, seats):
    body = {"productId": "seats", "quantity": "8", "effectiveAt": "2026-04-10T00:00:00Z"}
    assert "backdate" in refused(put(Api("subscriptions:write"), seats, "2026-04-16", **body), 403)["detail"]
    data(put(api, seats, "2026-04-16", **body))
    assert QuantityChange.objects.latest("recorded_at").effective_at == at("2026-04-10")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"productId": "other"}, "productId"),
        ({"productId": None}, "productId"),
        ({"quantity": None}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "eight"}, "quantity"),
        ({"updateAction": "3"}, "updateAction"),
        ({"updateAction": True}, "updateAction"),
        ({"alignment": {"extendInterval": True}}, "alignment.extendInterval"),
        ({"alignment": "now"}, "alignment"),
        ({"couponCode": "NOPE"}, "couponCode"),
        ({"effectiveAt": "2026-03-01T00:00:00Z"}, "effectiveAt"),
        ({"usagePeriodStart": "2026-04-01T00:00:00Z"}, "usagePeriodStart"),
        ({"sendNotification": "perhaps"}, "sendNotification"),
    ],
)
def test_a_wrong_update_names_its_field_and_changes_nothing(api, seats, change, field):
    body = {"productId": "seats", "quantity": "8"} | change
    answer = put(api, seats, "2026-04-16", **{name: value for name, value in body.items() if value is not None})
    assert set(fields_at_fault(answer)) == {field}
    assert QuantityChange.objects.count() == 1


def test_an_unknown_item_or_subscription_is_404(api, seats):
    body = {"productId": "seats", "quantity": "8"}
    refused(put(api, f"{seats}99", "2026-04-16", **body), 404)
    refused(put(api, "/subscriptions/01ARZ3NDEKTSV4RRFFQ69G5FAV/items/1", "2026-04-16", **body), 404)
    refused(put(api, seats.replace("items/1", "items/one"), "2026-04-16", **body), 404)


@pytest.mark.parametrize("quantity", ["1e27", "1" + "0" * 27])
@pytest.mark.parametrize("what", ["seats", "excess"])
def test_an_absurd_quantity_is_refused_by_its_field(request, api, what, quantity):
    path = request.getfixturevalue(what)
    answer = put(api, path, "2026-04-16", productId="seats" if what == "seats" else "storage", quantity=quantity)
    assert list(fields_at_fault(answer)) == ["quantity"]
    assert not QuantityReport.objects.exists()


@pytest.mark.parametrize("alignment", [{}, ALIGNED])
def test_a_quantity_that_comes_to_an_absurd_amount_is_refused_with_its_limit(api, seats, alignment):
    answer = put(api, seats, "2026-04-16", productId="seats", quantity="1" + "0" * 14, **alignment)
    said = refused(answer, 412)
    assert "beyond the safety limit of 1,000,000,000.00 EUR" in said["detail"]
    assert QuantityChange.objects.count() == 1
    assert Invoice.objects.filter(issued_at__isnull=False).count() == 1
