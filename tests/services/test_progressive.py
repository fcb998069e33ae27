"""Progressive billing: a line is split at a moment, its part billed, and the rest by the next one (billing rules 7)."""

from decimal import Decimal

import pytest
from django.db import connection, transaction

from core import clock
from core.errors import InvalidInput
from core.locks import lock_customers
from customers.models import Supplier
from entitlements.metering.ingest_events import ingest_events
from entitlements.metering.reverse_event import reverse_event
from invoicing.drafts.delete_draft import delete_draft
from invoicing.errors import PartBilled
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import BilledWindow, Invoice, InvoiceLine
from invoicing.profile_moves.check_customers import check_customers
from invoicing.progressive.split_customer import split_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from subscriptions.models import ItemRevision, SubscriptionItem
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import enterprise, make_default_profile
from tests.support.invoices import money
from tests.support.late_usage import cases
from tests.support.subscriptions import do, edit, subscribe
from tests.support.usage import UNIT, metered, use

pytestmark = pytest.mark.django_db

TO_DECIDE = 2  # what the check of the books ends with where nothing is wrong and something is to be decided


@pytest.fixture
def calls():
    return make_feature(key="calls", name="Calls", meter=make_meter())


def begin(calls, **card):
    """Acme, billed progressively for calls since 1 April 2026."""
    make_default_profile(progressive_billing=True)
    return subscribe(metered(calls, **card)).customer


def terms(**card):
    """The rate card of calls with other terms."""
    values = {"price": UNIT, "discounts": None} | card
    return RateCardTerms(
        type="usage_based", key="calls", name="Calls", billing_cadence="P1M", feature_key="calls", **values
    )


def split(customer, on, **how):
    """What is billed of the customer on that day."""
    with clock.frozen_at(at(on)):
        return [money(invoice.total) for invoice in invoice_pending_lines(customer=customer, **how)]


def rows(status="valid"):
    """Each line of usage: its time, where it is, and which part it is of a line."""
    lines = InvoiceLine.objects.filter(status=status, deleted_at=None).select_related("invoice")
    return [
        (f"{line.period_start:%m-%d}", f"{line.period_end:%m-%d}", line.invoice.status, line.parent_id)
        for line in lines.order_by("period_start", "period_end")
    ]


def test_110_free_units_are_used_up_by_the_earlier_parts_first(calls):
    """50 cost nothing, so that there is nothing to split; then 125 - 110 = 15, then all of 30."""
    customer = begin(calls, discounts={"usage": {"quantity": "110"}})
    use("2026-04-05", 50)
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-10")
    assert SubscriptionItem.objects.get().progressive_splits == []
    use("2026-04-15", 75)
    assert split(customer, "2026-04-20") == ["15.00"]
    use("2026-04-25", 30)
    assert_books_are_clean("2026-04-26")
    run("2026-05-01")
    assert [
        money(total)
        for total in Invoice.objects.filter(issued_at__isnull=False).values_list("total", flat=True).order_by("number")
    ] == ["15.00", "30.00"]
    assert_books_are_clean("2026-05-02")


def test_the_line_becomes_the_group_and_its_parts_are_new(calls):
    customer = begin(calls)
    whole = InvoiceLine.objects.get(period_start=at("2026-04-01"))
    use("2026-04-05", 50)
    assert split(customer, "2026-04-10") == ["50.00"]
    assert rows("split") == [("04-01", "05-01", "gathering", None)]
    assert InvoiceLine.objects.get(status="split").pk == whole.pk
    assert rows() == [("04-01", "04-10", "paid", whole.pk), ("04-10", "05-01", "gathering", whole.pk)]
    open_part = InvoiceLine.objects.get(period_start=at("2026-04-10"))
    use("2026-04-15", 7)
    assert split(customer, "2026-04-20", line_ids=[open_part.pk]) == ["7.00"]
    assert rows() == [
        ("04-01", "04-10", "paid", whole.pk),
        ("04-10", "04-20", "paid", whole.pk),
        ("04-20", "05-01", "gathering", whole.pk),
    ]
    open_part.refresh_from_db()
    assert open_part.invoice.status == "paid"
    assert_books_are_clean("2026-04-20")
    use("2026-04-25", 1)
    run("2026-05-01")
    assert rows("split") == [("04-01", "05-01", "paid", None)]
    last = InvoiceLine.objects.get(period_start=at("2026-04-20"))
    whole.refresh_from_db()
    assert (whole.invoice_id, money(whole.total), money(last.total)) == (last.invoice_id, "0.00", "1.00")
    assert BilledWindow.objects.count() == 3
    assert_books_are_clean("2026-05-02")


def test_what_comes_late_for_an_earlier_part_is_billed_once_by_the_next(calls):
    customer = begin(calls)
    use("2026-04-05", 50)
    assert split(customer, "2026-04-10") == ["50.00"]
    use("2026-04-06", 5)
    use("2026-04-15", 20)
    assert_books_are_clean("2026-04-18")
    assert split(customer, "2026-04-20") == ["25.00"]
    run("2026-05-01")
    assert [
        money(line.total)
        for line in InvoiceLine.objects.filter(status="valid", period_end__lte=at("2026-05-01")).order_by(
            "period_start"
        )
    ] == ["50.00", "25.00", "0.00"]
    assert_books_are_clean("2026-05-02")


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        ("2026-04-20T00:00:01", "in_the_future"),
        ("2026-04-10", "before_last_split"),
        ("2026-04-09", "before_last_split"),
    ],
)
def test_a_time_at_which_nothing_can_be_split_is_refused_and_nothing_changes(calls, as_of, code):
    customer = begin(calls)
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    use("2026-04-15", 20)
    before = rows(), rows("split"), SubscriptionItem.objects.get().progressive_splits
    with pytest.raises(InvalidInput) as refused:
        split(customer, "2026-04-20", as_of=at(as_of))
    assert [problem.code for problem in refused.value.problems] == [code]
    assert (rows(), rows("split"), SubscriptionItem.objects.get().progressive_splits) == before


def test_the_customer_is_not_split_unless_their_terms_or_the_caller_say_so(calls):
    customer = begin(calls)
    make_default_profile(progressive_billing=False)
    use("2026-04-05", 50)
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-10")
    assert split(customer, "2026-04-10", progressive=True) == ["50.00"]
    make_default_profile(progressive_billing=True)
    use("2026-04-15", 20)
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-20", progressive=False)


@pytest.mark.parametrize("reopened", [1, 2])
def test_the_part_of_a_deleted_draft_is_billed_with_the_next(calls, reopened):
    customer = begin(calls)
    whole = InvoiceLine.objects.get(period_start=at("2026-04-01")).pk
    use("2026-04-05", 50)
    if reopened == 2:
        split(customer, "2026-04-10")
    make_default_profile(auto_advance=False)
    use("2026-04-15", 20)
    split(customer, "2026-04-20")
    with clock.frozen_at(at("2026-04-21")):
        delete_draft(invoice=Invoice.objects.get(status__startswith="draft."), rebill=True, reason="wrong address")
    make_default_profile(auto_advance=True)
    run("2026-04-21")
    standing = {1: [("04-01", "05-01", "gathering", None)], 2: [("04-10", "05-01", "gathering", whole)]}
    assert [row for row in rows() if row[2] == "gathering"] == standing[reopened]
    if reopened == 1:
        assert InvoiceLine.objects.get(invoice__status="gathering").pk == whole
    assert_books_are_clean("2026-04-22")
    use("2026-04-25", 3)
    run("2026-05-01")
    issued = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    expected = {1: ["73.00"], 2: ["50.00", "23.00"]}
    assert [money(total) for total in issued.values_list("total", flat=True)] == expected[reopened]
    assert_books_are_clean("2026-05-02")


def test_free_units_are_not_changed_under_a_part_that_is_billed(calls):
    customer = begin(calls, discounts={"usage": {"quantity": "10"}})
    subscription = customer.subscriptions.get()
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    less = AddItem("phase_1", terms(discounts={"usage": {"quantity": "5"}}))
    with pytest.raises(PartBilled, match="can't be changed before the period ends, on 2026-05-01"):
        edit(subscription, "2026-04-12", less)
    assert ItemRevision.objects.count() == 1
    edit(subscription, "2026-04-12", less, timing=at("2026-05-01"))
    assert ItemRevision.objects.count() == 2
    use("2026-04-25", 1)
    use("2026-05-05", 7)
    run("2026-05-01")
    run("2026-06-01")
    issued = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    # 40, 1, then 7 less 5.
    assert [money(total) for total in issued.values_list("total", flat=True)] == ["40.00", "1.00", "2.00"]
    assert_books_are_clean("2026-06-02")


def test_another_price_in_mid_period_ends_the_group(calls):
    """50 in a part, then 6 up to the change on the 12th, at 1.00 each; 3 from it on at 2.00."""
    customer = begin(calls)
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    use("2026-04-11", 6)
    dearer = AddItem("phase_1", terms(price={"type": "unit", "amount": "2.00"}))
    edit(customer.subscriptions.get(), "2026-04-12", dearer)
    use("2026-04-20", 3)
    run("2026-05-01")
    issued = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    assert sum(issued.values_list("total", flat=True)) == Decimal("62.00")
    assert_books_are_clean("2026-05-02")


def test_a_pause_between_parts(calls):
    """30 after a part of 50, then a pause from the 15th to the 20th, whose 100 are nobody's, then 2."""
    customer = begin(calls)
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    use("2026-04-12", 30)
    do(pause_subscription, customer.subscriptions.get(), "2026-04-15")
    use("2026-04-17", 100)
    do(resume_subscription, customer.subscriptions.get(), "2026-04-20")
    use("2026-04-25", 2)
    assert split(customer, "2026-04-26") == ["2.00"]
    run("2026-05-01")
    issued = Invoice.objects.filter(issued_at__isnull=False)
    assert sum(issued.values_list("total", flat=True)) == Decimal("82.00")
    assert_books_are_clean("2026-05-02")


@pytest.mark.parametrize("on", ["2026-04-10", "2026-04-20"], ids=["at the split", "behind it"])
def test_a_subscription_that_ends_between_parts(calls, on):
    customer = begin(calls, price=UNIT | {"minimumAmount": "60.00"})
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    do(cancel_subscription, customer.subscriptions.get(), on)
    run("2026-05-01")
    assert not InvoiceLine.objects.filter(invoice__status="gathering", deleted_at=None).exists()
    assert_books_are_clean("2026-05-02")


def test_what_was_taken_back_is_billed_by_no_part_and_is_to_decide(calls):
    """50 billed; 20 of it reversed, then 10 more: the group comes to 40, so that the next part is nothing."""
    customer = begin(calls)
    use("2026-04-04", 30)
    twice = {"specversion": "1.0", "id": "e1", "source": "test", "type": "usage", "subject": "acme"}
    with clock.frozen_at(at("2026-04-05")):
        ingest_events(events=[twice | {"time": "2026-04-05T00:00:00Z", "data": {"amount": 20}}])
    assert split(customer, "2026-04-10") == ["50.00"]
    with clock.frozen_at(at("2026-04-11")):
        reverse_event(source="test", event_id="e1", reason="sent twice")
    code, said = run_check(now="2026-04-11")
    assert (code, "late usage of -20 from" in said) == (TO_DECIDE, True)
    use("2026-04-15", 10)
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-20")
    run("2026-05-01")
    last = InvoiceLine.objects.get(period_start=at("2026-04-10"))
    assert (f"{last.metered_quantity:.0f}", money(last.total)) == ("0", "0.00")
    code, said = run_check(now="2026-05-02")
    assert (code, "late usage of -10 from" in said) == (TO_DECIDE, True)
    # Nothing has come in since the last part was billed for nothing: its case is there all the same.
    run("2026-05-01T00:10")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed"), ("04-10", "-10", "-10.00", "open")]


def test_a_line_that_can_not_be_split_says_why(calls):
    volume = {"type": "tiered", "mode": "volume", "tiers": [{"unitPrice": {"type": "unit", "amount": "1.00"}}]}
    customer = begin(calls, price=volume)
    use("2026-04-05", 50)
    whole = InvoiceLine.objects.get()
    with pytest.raises(InvalidInput) as refused:
        split(customer, "2026-04-10", line_ids=[whole.pk])
    problem = refused.value.problems[0]
    assert (problem.field, problem.code) == ("filters.lineIds", "unsplittable")
    assert "later usage changes what earlier usage costs" in refused.value.message


def test_a_move_to_another_supplier_waits_for_the_last_part(calls):
    customer = begin(calls)
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    other = Supplier.objects.create(
        key="other", name="Other Ltd", country="DE", invoice_prefix="OT", credit_note_prefix="OC"
    )
    target = enterprise(supplier=other)
    causes = check_customers([customer.pk], target=target, answers={}, now=at("2026-04-11"))[customer.pk]
    assert [(cause.code, cause.severity, cause.message) for cause in causes] == [
        (
            "open_parts",
            "blocked",
            "A part of Calls is billed, and the rest until 1 May 2026 00:00 UTC is not: wait until then.",
        )
    ]
    run("2026-05-01")
    assert check_customers([customer.pk], target=target, answers={}, now=at("2026-05-01"))[customer.pk] == ()


def test_quantities_of_parts_wait_for_those_before_them(calls):
    """Each part's draft waits an hour for late usage; what is used up to the second split counts once."""
    make_default_profile(collection_interval="PT2H", progressive_billing=True)
    customer = subscribe(metered(calls, discounts={"usage": {"quantity": "20"}})).customer
    use("2026-04-05", 50)
    split(customer, "2026-04-10T00:00")
    use("2026-04-10T00:30", 7)
    split(customer, "2026-04-10T01:00")
    use("2026-04-09", 4)
    run("2026-04-10T03:00")
    drafts = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    assert [money(total) for total in drafts.values_list("total", flat=True)] == ["34.00", "7.00"]
    assert_books_are_clean("2026-04-11")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("{quantity,window}", "49", "counted 50 as billed before it, but the parts before it were billed for 49"),
        ("{totals,net}", "49.00", "its parts were billed for 69 EUR net; the whole would come to 70"),
    ],
)
def test_parts_that_do_not_add_up_to_the_whole_are_found(calls, path, value, problem):
    customer = begin(calls)
    use("2026-04-05", 50)
    split(customer, "2026-04-10")
    use("2026-04-15", 20)
    split(customer, "2026-04-20")
    assert run_check("--only", "9", now="2026-04-21")[0] == 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE invoicing_invoiceline SET explain = jsonb_set(explain, %s, to_jsonb(%s::text)) "
            "WHERE period_end = '2026-04-10'",
            [path, value],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    code, said = run_check("--only", "9", now="2026-04-21")
    assert (code, problem in said) == (1, True), said


def test_only_the_line_that_was_asked_for_is_split():
    """Calls and messages, 50 and 7: the messages wait whole, and are billed with the period."""
    make_default_profile(progressive_billing=True)
    cards = tuple(
        usage_card(
            key=key,
            name=key.title(),
            feature=make_feature(key=key, name=key.title(), meter=make_meter(key=key, event_type=event)),
            price=UNIT,
        )
        for key, event in (("calls", "usage"), ("messages", "message"))
    )
    customer = subscribe(flat_plan("basic", None, cards=cards)).customer
    use("2026-04-05", 50)
    use("2026-04-05", 7, type="message")
    asked = InvoiceLine.objects.get(name="Calls")
    assert split(customer, "2026-04-10", line_ids=[asked.pk]) == ["50.00"]
    splits = dict(SubscriptionItem.objects.values_list("key", "progressive_splits"))
    assert splits == {"calls": [at("2026-04-10")], "messages": []}
    assert [line.status for line in InvoiceLine.objects.filter(name="Messages")] == ["valid"]
    run("2026-05-01")
    issued = Invoice.objects.filter(issued_at__isnull=False).order_by("number")
    assert [money(invoice.total) for invoice in issued] == ["50.00", "7.00"]
    assert_books_are_clean("2026-05-02")


def test_free_units_that_were_used_up_before_a_pause_are_used_up_for_the_parts_behind_it(calls):
    """20 are free: 30 up to the pause of the 8th leave none of them for the 50, or the 7, behind it."""
    customer = begin(calls, discounts={"usage": {"quantity": "20"}})
    use("2026-04-05", 30)
    do(pause_subscription, customer.subscriptions.get(), "2026-04-08")
    do(resume_subscription, customer.subscriptions.get(), "2026-04-10")
    use("2026-04-12", 50)
    assert split(customer, "2026-04-15") == ["50.00"]
    use("2026-04-20", 7)
    run("2026-05-01")
    lines = InvoiceLine.objects.counted().filter(invoice__issued_at__isnull=False).order_by("period_start")
    assert [money(line.total) for line in lines] == ["10.00", "50.00", "7.00"]
    assert_books_are_clean("2026-05-02")


def test_a_part_behind_one_whose_draft_waits_is_not_billed_for_what_an_earlier_one_was(calls):
    """50 are billed, 20 of them reversed. Then 10, whose draft waits: 40 in all. 5 more are still below the 50."""
    customer = begin(calls)
    use("2026-04-04", 30)
    twice = {"specversion": "1.0", "id": "e1", "source": "test", "type": "usage", "subject": "acme"}
    with clock.frozen_at(at("2026-04-05")):
        ingest_events(events=[twice | {"time": "2026-04-05T00:00:00Z", "data": {"amount": 20}}])
    assert split(customer, "2026-04-10") == ["50.00"]
    make_default_profile(progressive_billing=True, collection_interval="P3D")
    use("2026-04-15", 15)
    assert split(customer, "2026-04-20") == ["15.00"]
    with clock.frozen_at(at("2026-04-21")):
        reverse_event(source="test", event_id="e1", reason="sent twice")
    use("2026-04-21T12:00", 2)
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-22")


def test_a_charge_by_hand_that_waits_is_no_part_and_waits_on(calls):
    customer = begin(calls)
    price = {"type": "flat", "amount": "30.00"}
    training = Charge(
        name="Training", start=at("2026-04-28"), end=at("2026-04-29"), invoice_at=at("2026-04-29"), price=price
    )
    with clock.frozen_at(at("2026-04-02")):
        add_charges(customer=customer, currency="EUR", charges=[training])
    use("2026-04-05", 50)
    assert split(customer, "2026-04-10") == ["50.00"]
    use("2026-04-15", 20)
    with clock.frozen_at(at("2026-04-20")), transaction.atomic():
        lock_customers([customer.pk])
        [made] = split_customer(customer.pk, "EUR", at("2026-04-20"))
    assert money(Invoice.objects.get(pk=made).total) == "20.00"
    assert_books_are_clean("2026-04-21")
