"""Usage that comes after the snapshot of its window is found, and billed, credited or waived (billing rules 6)."""

from decimal import Decimal

import pytest
from django.db import transaction

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput
from customers.services.attribute_usage import attribute_usage
from invoicing.closing.park_customer import park_customers
from invoicing.corrections.book_credit_notes import book_credit_notes
from invoicing.corrections.documents import CreditNoteDocument, CreditPart
from invoicing.drafts.delete_draft import delete_draft
from invoicing.errors import CannotBill, CustomerParked
from invoicing.late_usage.decide import LateUsageChanged, LateUsageDecided, Shown, bill_late_usage, waive_late_usage
from invoicing.models import BillingDue, CreditNote, Invoice, InvoiceLine, LateUsageCase, LateUsageLook, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import make_feature
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile, vat_customer
from tests.support.late_usage import adjusted, calls_feature, cases, ingest, take_back
from tests.support.subscriptions import subscribe
from tests.support.usage import billed, metered

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls():
    return calls_feature()


def test_late_usage_is_billed_with_the_next_invoice(calls):
    """12 units of April at 1.00, then 7 that come on 10 May: on 1 June they stand beside the 4 of May."""
    subscribe(metered(calls))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    ingest("2026-05-11", "4")
    run("2026-05-12")
    assert cases() == [("04-01", "7", "7.00", "billed")]
    assert adjusted() == []
    # Its month is over, and still it waits, for the next invoice.
    assert_books_are_clean("2026-05-13")
    run("2026-06-01")
    assert adjusted() == [("06-01", "7", "7.00", "7.00")]
    assert billed() == [("04-01", "05-01", "12", "12.00"), ("05-01", "06-01", "4", "4.00")]
    case = LateUsageCase.objects.get()
    assert (case.line.invoice.total, case.line.amends.period_start) == (11, at("2026-04-01"))
    assert not LateUsageLook.objects.exists()
    assert_books_are_clean("2026-06-01T00:30")


def test_what_comes_later_still_makes_a_further_adjustment(calls):
    subscribe(metered(calls))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    ingest("2026-04-21", "2", arrived="2026-05-13")
    run("2026-05-14")
    run("2026-06-01")
    assert cases() == [("04-01", "7", "7.00", "billed"), ("04-01", "2", "2.00", "billed")]
    assert adjusted() == [("06-01", "7", "7.00", "7.00"), ("06-01", "2", "2.00", "2.00")]
    run("2026-07-01")
    assert len(adjusted()) == 2
    assert_books_are_clean("2026-07-01T00:30")


def decided(case, on, verb, reason="Agreed by phone", **options):
    with clock.frozen_at(at(on)):
        return verb(case=case, reason=reason, **options)


@pytest.fixture
def asked(calls):
    """12 units of April at 1.00 billed, then 7 that came late: the terms ask."""
    subscribe(metered(calls))
    make_default_profile(late_usage="ask")
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", "7", "7.00", "open")]
    return LateUsageCase.objects.get()


def test_where_terms_ask_it_waits_and_follows_what_comes(asked):
    ingest("2026-04-21", "2", arrived="2026-05-13")
    run("2026-06-01")
    assert (cases(), adjusted()) == ([("04-01", "9", "9.00", "open")], [])
    code, said = run_check(now="2026-06-01T00:30")
    assert (code, "late usage of 9 from 2026-04-01" in said) == (2, True), said


def test_staff_bill_it_by_a_reason(asked):
    case = decided(asked, "2026-05-20", bill_late_usage)
    assert (case.state, case.reason) == ("billed", "Agreed by phone")
    run("2026-06-01")
    assert adjusted() == [("06-01", "7", "7.00", "7.00")]
    entry = AuditEntry.objects.get(verb="bill_late_usage")
    assert "billed 7.00 EUR for 7 of late usage of Calls from 2026-04-01" in entry.sentence
    assert_books_are_clean("2026-06-01T00:30")


def test_what_is_waived_counts_as_billed_and_costs_nothing(asked):
    decided(asked, "2026-05-20", waive_late_usage)
    ingest("2026-04-22", "3", arrived="2026-05-21")
    run("2026-06-01")
    assert cases() == [("04-01", "7", "7.00", "waived"), ("04-01", "3", "3.00", "open")]
    assert adjusted() == []
    decided(LateUsageCase.objects.get(state="open"), "2026-06-02", bill_late_usage)
    run("2026-07-01")
    assert adjusted() == [("07-01", "3", "3.00", "3.00")]
    assert_books_are_clean("2026-07-01T00:30")


def test_a_decision_needs_a_reason_and_is_made_once(asked):
    with pytest.raises(InvalidInput, match="Say why"):
        decided(asked, "2026-05-20", waive_late_usage, reason=" ")
    decided(asked, "2026-05-20", waive_late_usage)
    with pytest.raises(LateUsageDecided, match="is decided already: waived"):
        decided(asked, "2026-05-20", bill_late_usage)
    assert cases() == [("04-01", "7", "7.00", "waived")]


def test_a_decision_by_figures_that_have_changed_is_refused(asked):
    shown = Shown(asked.quantity, asked.net)
    ingest("2026-04-22", "3", arrived="2026-05-19")
    with pytest.raises(LateUsageChanged, match=r"it is 10 now, 10.00 EUR net"):
        decided(asked, "2026-05-20", bill_late_usage, shown=shown)
    assert LateUsageCase.objects.get().state == "open"


def test_usage_that_was_taken_back_before_the_decision_closes_the_case(asked):
    take_back("2026-05-15", time="2026-04-20")
    with pytest.raises(LateUsageChanged, match="Nothing of Late usage of Calls"):
        decided(asked, "2026-05-15", bill_late_usage)
    run("2026-05-16")
    assert cases() == [("04-01", "7", "7.00", "absorbed")]
    assert_books_are_clean("2026-05-16T00:30")


def test_what_was_taken_back_after_it_was_billed_is_a_credit_that_waits(calls):
    """12 + 7 billed for 19.00, of which 7 are reversed: whatever the terms, staff decide; the note is at the line's
    tax, 7.00 + 1.33."""
    subscribe(metered(calls), customer=vat_customer())
    ingest("2026-04-10", "12")
    ingest("2026-04-11", "7")
    run("2026-05-01")
    take_back("2026-05-10", time="2026-04-11")
    run("2026-05-12")
    assert cases() == [("04-01", "-7", "-7.00", "open")]
    case = decided(LateUsageCase.objects.get(), "2026-05-20", bill_late_usage)
    note = CreditNote.objects.get()
    assert (case.state, case.credit_note, note.amount, note.total) == ("credited", note, Decimal("7"), Decimal("8.33"))
    run("2026-05-21")
    assert len(cases()) == 1
    assert_books_are_clean("2026-05-21T00:30")


def test_a_credit_is_never_more_than_is_left_on_the_lines(calls):
    """Of 19.00, 15.00 were credited before; 7 units are reversed: 4.00 are left."""
    subscribe(metered(calls))
    ingest("2026-04-10", "12")
    ingest("2026-04-11", "7")
    run("2026-05-01")
    line = InvoiceLine.objects.get(kind="usage", invoice__issued_at__isnull=False)
    with clock.frozen_at(at("2026-05-05")), transaction.atomic():
        part = CreditPart(line.pk, line.name, line.period_start, line.period_end, Decimal("15.00"), None)
        note = CreditNoteDocument(line.invoice.customer_id, "EUR", line.invoice_id, [part])
        book_credit_notes([note], now=at("2026-05-05"))
    take_back("2026-05-10", time="2026-04-11")
    run("2026-05-12")
    decided(LateUsageCase.objects.get(), "2026-05-20", bill_late_usage)
    assert sorted(CreditNote.objects.values_list("amount", flat=True)) == [4, 15]
    run("2026-05-21")
    assert cases() == [("04-01", "-7", "-7.00", "credited")]
    assert_books_are_clean("2026-05-21T00:30")


def test_of_what_has_ended_the_adjustment_finds_an_invoice(calls):
    subscription = subscribe(metered(calls))
    ingest("2026-04-10", "12")
    with clock.frozen_at(at("2026-04-11")):
        cancel_subscription(subscription=subscription, timing=at("2026-05-01"))
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    assert adjusted() == [("05-12", "7", "7.00", "7.00")]
    assert_books_are_clean("2026-05-12T00:30")


def test_a_subject_that_comes_later_brings_its_usage_as_late(calls):
    subscription = subscribe(metered(calls))
    ingest("2026-04-20", "3")
    ingest("2026-04-21", "1000", subject="acme-eu")
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-10")):
        attribute_usage(customer=subscription.customer, subjects=["acme", "acme-eu"])
    run("2026-05-11")
    assert cases() == [("04-01", "1000", "1000.00", "billed")]
    run("2026-06-01")
    assert_books_are_clean("2026-06-01T00:30")


def test_the_late_usage_of_who_is_parked_waits_for_their_release(calls):
    subscription = subscribe(metered(calls))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-05")):
        park_customers({subscription.customer_id: CannotBill("No rate.", code="no_tax_rate")}, run_id=None)
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", "7", "7.00", "open")]
    with pytest.raises(CustomerParked):
        decided(LateUsageCase.objects.get(), "2026-05-13", bill_late_usage)
    with clock.frozen_at(at("2026-05-14")):
        release_customer(parked=ParkedCustomer.objects.get(), reason="The rate is there")
    run("2026-05-14")
    assert cases() == [("04-01", "7", "7.00", "billed")]
    run("2026-06-01")
    assert adjusted() == [("06-01", "7", "7.00", "7.00")]
    assert_books_are_clean("2026-06-01T00:30")


def test_a_draft_that_is_deleted_gives_its_adjustment_back_to_the_next_one(calls):
    subscribe(metered(calls))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    make_default_profile(auto_advance=False)
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    run("2026-06-01")
    draft = InvoiceLine.objects.get(kind="late").invoice
    with clock.frozen_at(at("2026-06-02")):
        delete_draft(invoice=draft, rebill=True, reason="Wrong address")
    make_default_profile(auto_advance=True)
    run("2026-06-03")
    assert cases() == [("04-01", "7", "7.00", "absorbed"), ("04-01", "7", "7.00", "billed")]
    run("2026-07-01")
    assert [each[1:] for each in adjusted()] == [("7", "7.00", "7.00")]
    assert_books_are_clean("2026-07-01T00:30")


def test_a_deleted_draft_whose_late_usage_stands_elsewhere_is_late_as_a_whole():
    """12 units of April wait on a draft, 7 that came late on the one of June: without the first, the 12 are late."""
    make_default_profile(late_usage="ask", auto_advance=False)
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    draft = Invoice.objects.get(status="draft.manual_approval_needed")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    decided(LateUsageCase.objects.get(), "2026-05-12", bill_late_usage)
    ingest("2026-05-15", "4")
    run("2026-06-01")
    with clock.frozen_at(at("2026-06-02")):
        delete_draft(invoice=draft, rebill=True, reason="Wrong address")
    run("2026-06-03")
    assert cases() == [("04-01", "7", "7.00", "billed"), ("04-01", "12", "12.00", "open")]
    code, said = run_check(now="2026-06-03T00:30")
    assert (code, "late usage of 12 from" in said) == (2, True), said


def test_a_window_that_is_billed_anew_takes_its_late_usage_along(calls):
    """The draft of April holds 12; 7 come late and wait on the gathering invoice. The draft is deleted, and April is
    billed anew for 19."""
    subscribe(metered(calls))
    make_default_profile(auto_advance=False)
    ingest("2026-04-10", "12")
    run("2026-05-01")
    draft = Invoice.objects.get(status__startswith="draft")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", "7", "7.00", "billed")]
    make_default_profile(auto_advance=True)
    with clock.frozen_at(at("2026-05-13")):
        delete_draft(invoice=draft, rebill=True, reason="Wrong address")
    run("2026-05-14")
    run("2026-06-01")
    assert (cases(), adjusted()) == ([("04-01", "7", "7.00", "absorbed")], [])
    assert billed()[0] == ("04-01", "05-01", "19", "19.00")
    assert_books_are_clean("2026-06-01T00:30")


@pytest.fixture
def storage():
    """Storage without a meter, at 1.00: 10 were reported for April in time, and 25 on 8 May."""
    make_default_profile()
    subscription = subscribe(metered(make_feature(key="calls", name="Calls")))
    report(subscription, "2026-04-20", "10")
    run("2026-05-01")
    assert report(subscription, "2026-05-08", "25", of="2026-04-01").late
    return subscription


def report(subscription, on, quantity, *, of=None):
    update = ItemUpdate(
        product_id="calls", quantity=Decimal(quantity), usage_period_start=None if of is None else at(of)
    )
    with clock.frozen_at(at(on)):
        return update_item(subscription_id=subscription.pk, running_number=1, update=update)


def test_what_was_reported_late_is_billed_by_what_it_adds(storage):
    run("2026-05-09")
    assert cases() == [("04-01", "15", "15.00", "billed")]
    run("2026-06-01")
    assert adjusted() == [("06-01", "15", "15.00", "15.00")]
    assert_books_are_clean("2026-06-01T00:30")


def test_what_was_reported_late_is_late_again_where_its_draft_is_deleted(storage):
    make_default_profile(auto_advance=False)
    run("2026-05-09")
    report(storage, "2026-05-20", "1")
    run("2026-06-01")
    draft = InvoiceLine.objects.get(kind="late").invoice
    with clock.frozen_at(at("2026-06-02")):
        delete_draft(invoice=draft, rebill=True, reason="Wrong address")
    make_default_profile(auto_advance=True)
    run("2026-06-03")
    run("2026-07-01")
    assert [each[1:] for each in adjusted()] == [("15", "15.00", "15.00")]
    assert_books_are_clean("2026-07-01T00:30")


def test_the_books_find_a_case_without_its_usage(asked):
    LateUsageCase.objects.update(quantity=5)
    assert run_check("--only", "8", now="2026-05-20")[0] == 2
    take_back("2026-05-15", time="2026-04-20")
    code, said = run_check("--only", "8", now="2026-05-20")
    assert (code, "5 are to be decided, but its usage comes to what was billed." in said) == (1, True), said


def test_the_books_find_late_usage_that_nobody_would_bill(calls):
    subscribe(metered(calls))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    BillingDue.objects.all().delete()
    code, said = run_check("--only", "10", now="2026-05-13")
    assert code == 1
    assert "Calls, late usage is due on 2026-05-12 00:00 UTC, but they are never looked at." in said
