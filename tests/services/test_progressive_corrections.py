"""Periods billed in parts whose parts are voided, waived or deleted, and subscriptions that change between them
(billing rules 6, 7 and 10)."""

from contextlib import suppress
from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput
from invoicing.drafts.delete_draft import delete_draft
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.gathering.sync import sync_customers
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Invoice, InvoiceLine
from invoicing.previews.preview_customers import preview_customer
from subscriptions.models import SubscriptionItem
from tests.support.books import assert_books_are_clean
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money
from tests.support.late_usage import calls_feature, cases, ingest
from tests.support.subscriptions import change, subscribe
from tests.support.usage import metered, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def begin(calls, **card):
    """Acme, billed progressively and by transfer for calls since 1 April 2026: nothing is paid at once."""
    make_default_profile(progressive_billing=True, collection_method="send_invoice")
    return subscribe(metered(calls, **card))


def split(subscription, on):
    with clock.frozen_at(at(on)):
        [invoice] = invoice_pending_lines(customer=subscription.customer)
    return invoice


def owed():
    """What is billed of usage and stands, in all and by part in order of time."""
    lines = InvoiceLine.objects.counted().filter(invoice__issued_at__isnull=False).exclude(invoice__status="voided")
    return [money(line.total) for line in lines.order_by("period_start")]


def three_parts(calls, **card):
    """50, then 20 with 5 late for the first, then 3 that are still open."""
    subscription = begin(calls, **card)
    use("2026-04-05", 50)
    first = split(subscription, "2026-04-10")
    use("2026-04-06", 5)
    use("2026-04-15", 20)
    second = split(subscription, "2026-04-20")
    use("2026-04-25", 3)
    return first, second


def void(invoice, on="2026-04-26", *, rebill=True):
    with clock.frozen_at(at(on)):
        void_invoice(invoice=invoice, rebill=rebill, reason="Wrong address")


@pytest.mark.parametrize("price", [{}, {"price": {"type": "unit", "amount": "1.00", "maximumAmount": "60.00"}}])
def test_the_newest_part_that_is_voided_is_billed_with_what_follows(calls, price):
    _, second = three_parts(calls, **price)
    void(second)
    assert SubscriptionItem.objects.get().progressive_splits == [at("2026-04-10")]
    run("2026-04-26")
    assert_books_are_clean("2026-04-27")
    run("2026-05-01")
    # 25 and 3, in one: up to the maximum of 60 where there is one.
    assert owed() == ["50.00", "10.00" if price else "28.00"]
    assert_books_are_clean("2026-05-02")


def test_an_earlier_part_that_is_voided_leaves_to_later_ones_what_they_were_billed_for(calls):
    first, _ = three_parts(calls)
    void(first)
    run("2026-04-26")
    assert owed() == ["50.00", "25.00"]
    assert_books_are_clean("2026-04-27")
    run("2026-05-01")
    assert owed() == ["50.00", "25.00", "3.00"]
    assert_books_are_clean("2026-05-02")


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_earlier_part_that_is_voided_is_billed_again_as_of_a_time_before_the_last_split(calls, is_closed):
    """It ended on the 10th, so nothing is split for it on the 15th, and what was used up to the 20th, 75, less the 25
    that the part behind it was billed for is 50, also then."""
    first, _ = three_parts(calls)
    if is_closed:
        run("2026-05-01")
    void(first, "2026-05-03")
    with clock.frozen_at(at("2026-05-03")):
        sync_customers([first.customer_id], as_of=at("2026-05-03"))
        [part] = InvoiceLine.objects.counted().filter(invoice__status="gathering", period_end=at("2026-04-10"))
        [again] = invoice_pending_lines(customer=first.customer, as_of=at("2026-04-15"), line_ids=[part.pk])
    assert money(again.total) == "50.00"
    run("2026-05-03")
    assert owed() == ["50.00", "25.00", "3.00"]
    assert_books_are_clean("2026-05-04")


def test_both_parts_that_are_voided_are_one_again(calls):
    first, second = three_parts(calls)
    whole = InvoiceLine.objects.get(status="split").pk
    void(first)
    void(second)
    run("2026-04-26")
    assert SubscriptionItem.objects.get().progressive_splits == []
    [line] = InvoiceLine.objects.filter(invoice__status="gathering", deleted_at=None)
    assert (line.pk, line.status) == (whole, "valid")
    run("2026-05-01")
    assert owed() == ["78.00"]
    assert_books_are_clean("2026-05-02")


def test_a_part_of_a_closed_period_is_billed_again_as_it_was(calls):
    first, _ = three_parts(calls)
    run("2026-05-01")
    assert owed() == ["50.00", "25.00", "3.00"]
    void(first, "2026-05-03")
    run("2026-05-03")
    assert owed() == ["50.00", "25.00", "3.00"]
    assert_books_are_clean("2026-05-04")


def test_the_last_part_of_a_closed_period_is_billed_again_with_its_group(calls):
    three_parts(calls)
    run("2026-05-01")
    void(Invoice.objects.filter(issued_at__isnull=False).order_by("-number").first(), "2026-05-03")
    run("2026-05-03")
    assert owed() == ["50.00", "25.00", "3.00"]
    assert InvoiceLine.objects.filter(status="split", deleted_at=None).exclude(invoice__status="voided").count() == 1
    assert_books_are_clean("2026-05-04")


def test_a_part_that_is_waived_is_billed_by_nobody(calls):
    _, second = three_parts(calls)
    void(second, rebill=False)
    run("2026-05-01")
    assert owed() == ["50.00", "3.00"]
    assert_books_are_clean("2026-05-02")


def test_a_draft_of_a_part_that_is_waived_is_billed_by_nobody(calls):
    subscription = begin(calls)
    make_default_profile(auto_advance=False)
    use("2026-04-05", 50)
    draft = split(subscription, "2026-04-10")
    with clock.frozen_at(at("2026-04-11")):
        delete_draft(invoice=draft, rebill=False, reason="a favour")
    make_default_profile(auto_advance=True)
    use("2026-04-15", 20)
    assert money(split(subscription, "2026-04-20").total) == "20.00"
    run("2026-05-01")
    assert owed() == ["20.00", "0.00"]
    assert_books_are_clean("2026-05-02")


def test_a_plan_change_that_keeps_usage_goes_on_behind_the_parts(calls):
    """20 free of the period: 50 by 1.00 up to the 10th, 6 up to the change, 4 by 2.00 from it on."""
    subscription = begin(calls, discounts={"usage": {"quantity": "20"}})
    use("2026-04-05", 50)
    split(subscription, "2026-04-10")
    use("2026-04-11", 6)
    dearer = {"price": {"type": "unit", "amount": "2.00"}, "discounts": {"usage": {"quantity": "20"}}}
    successor = change(subscription, metered(calls, key="dearer", **dearer), "2026-04-12").successor
    use("2026-04-15", 4)
    split(successor, "2026-04-20")
    run("2026-05-01")
    assert owed() == ["30.00", "6.00", "8.00", "0.00"]
    assert_books_are_clean("2026-05-02")


def test_the_preview_of_a_period_in_parts_is_its_invoice(calls):
    three_parts(calls)
    customer = SubscriptionItem.objects.get().subscription.customer
    with clock.frozen_at(at("2026-04-26")):
        outlook = preview_customer(customer_id=customer.pk, until=at("2026-05-01"))
    [shown] = [document for document in outlook.documents if document.is_invoice]
    assert [(line.name, money(line.amount)) for line in shown.lines] == [("Calls", "3.00")]
    run("2026-05-01")
    assert money(Invoice.objects.filter(issued_at__isnull=False).order_by("-number").first().total) == "3.00"


WAYS = [(), (10,), (20,), (6, 11, 16, 21), (10, 20), (2, 3, 4, 28)]
MODELS = {
    "thirds": {"price": {"type": "unit", "amount": "0.333"}, "discounts": {"usage": {"quantity": "7"}}},
    "tiers": {
        "price": {
            "type": "tiered",
            "mode": "graduated",
            "tiers": [
                {"upToAmount": "10", "unitPrice": {"type": "unit", "amount": "0.115"}},
                {"unitPrice": {"type": "unit", "amount": "0.0125"}},
            ],
            "minimumAmount": "1.50",
        },
        "discounts": {"percentage": {"percentage": 15}},
    },
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("days", WAYS)
def test_any_way_of_splitting_a_period_bills_the_same(calls, model, days):
    """32 units: 25 by 0.333 are 8.325; 10 by 0.115 and 22 by 0.0125, less 15 %, and made up to 1.50."""
    subscription = begin(calls, **MODELS[model])
    for day in range(1, 29):
        if day in days:
            # Where nothing would be owed, nothing is split.
            with clock.frozen_at(at(f"2026-04-{day:02}")), suppress(InvalidInput):
                invoice_pending_lines(customer=subscription.customer)
        if day % 7 == 1:
            use(f"2026-04-{day:02}", 8)
    run("2026-05-01")
    lines = InvoiceLine.objects.counted().filter(invoice__issued_at__isnull=False)
    assert sum(lines.values_list("metered_quantity", flat=True)) == Decimal(32)
    whole = {"thirds": Decimal("8.325"), "tiers": Decimal("1.50")}[model]
    rounded = sum(2 * line.detailed_lines.count() + 1 for line in lines)
    assert abs(sum(lines.values_list("total", flat=True)) - whole) <= Decimal("0.005") * rounded
    assert_books_are_clean("2026-05-02")


@pytest.mark.parametrize("collection", ["PT0S", "P1D"])
def test_a_part_that_is_billed_again_takes_up_late_usage_and_its_case_closes(collection):
    """Parts of 50, 25 and 3; 7 come late for the first: 7.00 to decide. The second is voided, and billed again for 32:
    nothing is late any more, and 85.00 stand in all."""
    subscription = begin(calls_feature())
    make_default_profile(late_usage="ask")
    ingest("2026-04-05", "50")
    split(subscription, "2026-04-10")
    ingest("2026-04-15", "25")
    second = split(subscription, "2026-04-20")
    ingest("2026-04-25", "3")
    run("2026-05-01")
    ingest("2026-04-06", "7", arrived="2026-05-02")
    run("2026-05-03")
    assert cases() == [("04-20", "7", "7.00", "open")]
    make_default_profile(collection_interval=collection)
    void(second, "2026-05-04")
    run("2026-05-04")
    run("2026-05-06")
    assert (owed(), cases()) == (["50.00", "32.00", "3.00"], [("04-20", "7", "7.00", "absorbed")])
    assert_books_are_clean("2026-05-06T00:30")
