"""An invoice is dated, taxed and due by the moment of its issue, however late the run is (billing rules 6, 12)."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from customers.choices import CollectionMethod
from customers.models import CustomerOverride, Supplier
from invoicing.choices import RunTrigger
from invoicing.closing.close_customers import close_customers
from invoicing.drafts.advance_invoice import advance_due
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.models import BalanceEntry, CreditNote, Invoice, InvoiceLine, NumberSeries, ParkedCustomer, TaxRate
from invoicing.previews.preview_customers import preview_customer
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import work_shard
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_subscription import record_subscription
from subscriptions.models import Plan
from tests.services.outlooks import Books, foreseen, live
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_meter, usage_card
from tests.support.clock import at
from tests.support.customers import enterprise, make_customer, make_default_profile, vat_customer
from tests.support.invoices import money
from tests.support.subscriptions import change, subscribe
from tests.support.usage import use

pytestmark = pytest.mark.django_db


def close_late(customer, *, as_of, worked_at):
    with clock.frozen_at(at(worked_at)):
        close_customers([customer.id], as_of=at(as_of))


def test_a_run_that_is_worked_late_issues_today():
    """Listed on the 1st, worked on the 6th, due after three days: on the 9th, and not before it exists."""
    make_default_profile(due_after="P3D", collection_method=CollectionMethod.SEND_INVOICE)
    customer = make_customer()
    subscribe(flat_plan("basic", "10.00"), "2026-04-01", customer=customer, bill=False)
    BalanceEntry.objects.create(
        customer=customer, currency="EUR", kind="adjustment", amount=Decimal(4), at=at("2026-03-01"), reason="Start"
    )
    close_late(customer, as_of="2026-04-01", worked_at="2026-04-06T09:30")
    invoice = Invoice.objects.get(number="INV-000001")
    assert (invoice.issued_at, invoice.due_at) == (at("2026-04-06T09:30"), at("2026-04-09T09:30"))
    assert (invoice.period_start, invoice.period_end) == (at("2026-04-01"), at("2026-05-01"))
    assert BalanceEntry.objects.get(kind="applied").at == at("2026-04-06T09:30")
    assert (money(invoice.applied_from_balance), money(invoice.due)) == ("4.00", "6.00")


def test_a_draft_of_a_late_run_can_be_reviewed_for_its_whole_time():
    make_default_profile(draft_period="P2D")
    customer = make_customer()
    subscribe(flat_plan("basic", "10.00"), "2026-04-01", customer=customer, bill=False)
    close_late(customer, as_of="2026-04-01", worked_at="2026-04-06")
    invoice = Invoice.objects.get(status__startswith="draft")
    assert (invoice.collection_at, invoice.draft_until) == (at("2026-04-06"), at("2026-04-08"))


def tax_of(**where):
    line = InvoiceLine.objects.get(**where)
    return (f"{line.tax_rate:.0f}", line.tax_name, money(line.taxes_total), money(line.total))


@pytest.fixture
def vat_rises():
    """19 % until 1 January 2027, then 20 %."""
    customer = vat_customer()
    TaxRate.objects.update(valid_to=at("2027-01-01"))
    TaxRate.objects.create(country="DE", rate=Decimal(20), name="VAT 2027", valid_from=at("2027-01-01"))
    return customer


@pytest.mark.parametrize("price", [fee("10.00"), {"type": "flat", "amount": "10.00"}], ids=["said", "not said"])
def test_a_fee_in_advance_is_taxed_at_the_date_of_its_issue(vat_rises, price):
    """Drafted on 30 December at 19 %, issued on 2 January under 20 %: 10.00 and 2.00. A price that doesn't say when it
    is charged is in advance."""
    make_default_profile(draft_period="P3D", tax_enabled=True)
    subscribe(flat_plan("basic", None, cards=(flat_card(price=price),)), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    assert tax_of(invoice__status__startswith="draft") == ("19", "VAT", "1.90", "11.90")
    with clock.frozen_at(at("2027-01-02")):
        advance_due(as_of=at("2027-01-02"))
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "2.00", "12.00")
    invoice = Invoice.objects.get(number="INV-000001")
    assert (money(invoice.taxes_total), money(invoice.total), invoice.issued_at) == ("2.00", "12.00", at("2027-01-02"))
    assert_books_are_clean("2027-01-02T00:30")


def test_usage_is_taxed_at_the_end_of_its_period_whenever_it_is_issued(vat_rises):
    make_default_profile(draft_period="P3D", tax_enabled=True)
    feature = make_feature(key="calls", name="Calls", meter=make_meter())
    card = usage_card(key="calls", name="Calls", feature=feature, price={"type": "unit", "amount": "1.00"})
    subscribe(flat_plan("basic", None, cards=(card,)), "2026-11-30", customer=vat_rises, bill=False)
    use("2026-12-10", "10")
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    with clock.frozen_at(at("2027-01-02")):
        advance_due(as_of=at("2027-01-02"))
    assert tax_of(invoice__number="INV-000001") == ("19", "VAT", "1.90", "11.90")


def test_a_fee_in_advance_of_a_late_run_is_taxed_at_the_date_of_its_issue(vat_rises):
    make_default_profile(tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2027-01-02")
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "2.00", "12.00")


BEFORE_MIDNIGHT, AFTER_MIDNIGHT = "2026-12-31T23:59:58", "2027-01-01T00:00:01"


def another_machine_is_ahead(until=AFTER_MIDNIGHT, **named):
    """Its clock is past midnight already, and it has issued by it."""
    supplier = Supplier.objects.get(**named)
    NumberSeries.objects.update_or_create(
        supplier=supplier,
        kind="invoice",
        defaults={"prefix": supplier.invoice_prefix, "next_number": 1, "last_issued_at": at(until)},
    )


@pytest.mark.parametrize("dated", [AFTER_MIDNIGHT, "2027-01-01"])
@pytest.mark.parametrize("ends", [True, False])
def test_what_is_dated_behind_a_midnight_by_its_series_is_taxed_behind_it(vat_rises, dated, ends):
    """Written at 19 %, two seconds before midnight, but dated at it or after it, when 20 % hold, whether or not the
    former rate says that it ends: 10.00 and 2.00."""
    if not ends:
        TaxRate.objects.filter(rate=19).update(valid_to=None)
    make_default_profile(tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-31", customer=vat_rises, bill=False)
    another_machine_is_ahead(dated)
    close_late(vat_rises, as_of="2026-12-31", worked_at=BEFORE_MIDNIGHT)
    assert Invoice.objects.get(number="INV-000001").issued_at == at(dated)
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "2.00", "12.00")
    assert_books_are_clean("2027-01-01T00:30")


def test_what_is_dated_before_a_midnight_by_its_series_is_taxed_before_it(vat_rises):
    make_default_profile(tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-31", customer=vat_rises, bill=False)
    another_machine_is_ahead("2026-12-31T23:59:59.999999")
    close_late(vat_rises, as_of="2026-12-31", worked_at=BEFORE_MIDNIGHT)
    assert tax_of(invoice__number="INV-000001") == ("19", "VAT", "1.90", "11.90")


def test_only_the_series_that_is_ahead_of_a_midnight_is_taxed_behind_it(vat_rises):
    """Two suppliers in one batch, one of whom has issued behind midnight."""
    make_default_profile(tax_enabled=True)
    plan = flat_plan("basic", "10.00")
    other = make_customer(key="other", name="Other", country="DE")
    supplier = Supplier.objects.create(name="ALT", invoice_prefix="ALT", credit_note_prefix="ALTCN")
    profile = enterprise(name="ALT", supplier=supplier, tax_enabled=True)
    CustomerOverride.objects.create(customer=other, billing_profile=profile)
    for customer in (vat_rises, other):
        subscribe(plan, "2026-12-31", customer=customer, bill=False)
    another_machine_is_ahead(invoice_prefix="ALT")
    with clock.frozen_at(at(BEFORE_MIDNIGHT)):
        close_customers([vat_rises.id, other.id], as_of=at("2026-12-31"))
    assert tax_of(invoice__number="INV-000001") == ("19", "VAT", "1.90", "11.90")
    assert tax_of(invoice__number="ALT-000001") == ("20", "VAT 2027", "2.00", "12.00")


def test_a_draft_that_is_dated_behind_a_midnight_by_its_series_is_taxed_behind_it(vat_rises):
    make_default_profile(draft_period="P1D", tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    another_machine_is_ahead()
    with clock.frozen_at(at(BEFORE_MIDNIGHT)):
        advance_due(as_of=at(BEFORE_MIDNIGHT))
    assert Invoice.objects.get(number="INV-000001").issued_at == at(AFTER_MIDNIGHT)
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "2.00", "12.00")
    assert_books_are_clean("2027-01-01T00:30")


def test_a_change_that_is_billed_at_once_is_taxed_at_the_date_that_its_series_gives_it(vat_rises):
    """31.00 for December at 19 %; a change on the last day to 62.00: 2.00 for it at 20 %, 0.40; 1.00 back at 19 %,
    which has charges at 20 % beside it: 2.00 + 0.40 - 1.00 - 0.19 = 1.21."""
    make_default_profile(tax_enabled=True)
    basic, pro = flat_plan("basic", "31.00"), flat_plan("pro", "62.00")
    subscription = subscribe(basic, "2026-12-01", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-01", worked_at="2026-12-01")
    another_machine_is_ahead()
    NumberSeries.objects.filter(kind="invoice").update(next_number=2)
    change(subscription, pro, "2026-12-31")
    taxes = [
        (f"{line.tax_rate:.0f}", money(line.taxes_total))
        for line in InvoiceLine.objects.filter(invoice__number="INV-000002").order_by("position")
    ]
    assert taxes == [("20", "0.40"), ("19", "-0.19")]
    assert money(Invoice.objects.get(number="INV-000002").total) == "1.21"
    assert_books_are_clean("2027-01-01T00:00:02")


def test_a_customer_without_a_rate_at_the_date_that_their_series_gives_is_parked(vat_rises):
    make_default_profile(tax_enabled=True, tax_enforced=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-31", customer=vat_rises, bill=False)
    TaxRate.objects.filter(rate=20).delete()
    another_machine_is_ahead()
    close_late(vat_rises, as_of="2026-12-31", worked_at=BEFORE_MIDNIGHT)
    assert ParkedCustomer.objects.get().cause_code == "no_tax_rate"
    assert not Invoice.objects.exclude(status="gathering").exists()


def test_a_draft_whose_rate_is_gone_is_put_aside_where_tax_is_enforced(vat_rises):
    make_default_profile(draft_period="P3D", tax_enabled=True, tax_enforced=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    TaxRate.objects.filter(rate=20).delete()
    with clock.frozen_at(at("2027-01-02")):
        advance_due(as_of=at("2027-01-02"))
    draft = Invoice.objects.exclude(status="gathering").get()
    assert (draft.status, draft.number, "no tax rate is known for DE" in draft.status_note) == (
        "draft.invalid",
        None,
        True,
    )


def test_drafts_in_any_number_are_issued_with_as_many_queries(vat_rises, django_assert_max_num_queries):
    make_default_profile(draft_period="P3D", tax_enabled=True)
    plan = flat_plan("basic", None, cards=(flat_card(key="base", name="Base", price=fee("10.00")),))
    counts = []
    for crowd in (1, 2, 8):
        for number in range(crowd):
            customer = make_customer(key=f"c{crowd}-{number}", country="DE")
            subscribe(plan, "2026-12-01", customer=customer, bill=False)
            close_late(customer, as_of="2026-12-01", worked_at="2026-12-01")
        with clock.frozen_at(at("2026-12-05")), django_assert_max_num_queries(60) as queries:
            advance_due(as_of=at("2026-12-05"))
        counts.append(len(queries))
    # The first of all make the series.
    assert counts[1] == counts[2]


@pytest.mark.parametrize("draft_period", ["PT0S", "P1D"], ids=["at once", "as a draft"])
def test_what_is_added_to_a_fee_in_arrears_is_taxed_at_the_end_of_its_period(vat_rises, draft_period):
    """Five seats in November at 10.00, billed on 1 December; eight from the 16th, said on 5 January: 15.00 for
    November, at November's 19 %: 2.85."""
    make_default_profile(tax_enabled=True, draft_period=draft_period)
    card = flat_card(key="seats", name="Seats", price=fee("10.00", "in_arrears"))
    with clock.frozen_at(at("2026-11-01")):
        subscription = record_subscription(
            customer=vat_rises,
            plan=flat_plan("basic", None, cards=(card,)),
            active_from=at("2026-11-01"),
            quantities={"seats": Decimal(5)},
        )
    close_late(vat_rises, as_of="2026-12-01", worked_at="2026-12-01")
    with clock.frozen_at(at("2026-12-02")):
        advance_due(as_of=at("2026-12-02"))
    with clock.frozen_at(at("2027-01-05")):
        record_quantity(
            item=subscription.items.select_related("subscription").get(),
            quantity=Decimal(8),
            effective_at=at("2026-11-16"),
            action="update",
        )
    close_late(vat_rises, as_of="2027-01-05", worked_at="2027-01-05")
    with clock.frozen_at(at("2027-01-06")):
        advance_due(as_of=at("2027-01-06"))
    added = {"amends__isnull": False, "invoice__issued_at__isnull": False}
    assert tax_of(**added) == ("19", "VAT", "2.85", "17.85")


def test_a_listed_shard_that_is_worked_later_is_dated_by_its_work():
    make_default_profile(due_after="P3D", collection_method=CollectionMethod.SEND_INVOICE)
    subscribe(flat_plan("basic", "10.00"), "2026-04-01", customer=make_customer(), bill=False)
    with clock.frozen_at(at("2026-04-01")):
        listed = start_run(as_of=at("2026-04-01"), trigger=RunTrigger.SCHEDULE)
    with clock.frozen_at(at("2026-04-06")):
        for shard in listed.shards.all():
            work_shard(shard.pk)
    invoice = Invoice.objects.get(number="INV-000001")
    assert (invoice.issued_at, invoice.due_at) == (at("2026-04-06"), at("2026-04-09"))


def test_a_clock_that_is_behind_its_series_dates_by_the_series():
    """Issued on the 10th; then a clock says the 5th. Dates of a series never decrease, and what is due follows them."""
    make_default_profile(due_after="P3D", collection_method=CollectionMethod.SEND_INVOICE)
    first, second = make_customer(key="first"), make_customer(key="second")
    for customer, on in ((first, "2026-04-10"), (second, "2026-04-05")):
        subscribe(Plan.objects.first() or flat_plan("basic", "10.00"), on, customer=customer, bill=False)
        close_late(customer, as_of=on, worked_at=on)
    later = Invoice.objects.get(number="INV-000002")
    assert (later.customer, later.issued_at, later.due_at) == (second, at("2026-04-10"), at("2026-04-13"))
    assert_books_are_clean("2026-04-10T00:30")


def test_an_inclusive_price_stays_what_it_is_and_holds_the_tax_of_its_issue(vat_rises):
    """11.90 with 19 % holds 1.90; with 20 %, 1.98."""
    make_default_profile(draft_period="P3D", tax_enabled=True, tax_behavior="inclusive")
    subscribe(flat_plan("basic", "11.90"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    assert tax_of(invoice__status__startswith="draft") == ("19", "VAT", "1.90", "11.90")
    with clock.frozen_at(at("2027-01-02")):
        advance_due(as_of=at("2027-01-02"))
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "1.98", "11.90")
    assert_books_are_clean("2027-01-02T00:30")


def test_a_draft_is_taxed_by_nothing_where_no_rate_is_left_and_tax_is_not_enforced(vat_rises):
    make_default_profile(draft_period="P3D", tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    TaxRate.objects.filter(rate=20).delete()
    with clock.frozen_at(at("2027-01-02")):
        advance_due(as_of=at("2027-01-02"))
    line = InvoiceLine.objects.get(invoice__number="INV-000001")
    assert (line.tax_rate, line.tax_name, money(line.taxes_total), money(line.total)) == (None, "", "0.00", "10.00")
    assert money(Invoice.objects.get(number="INV-000001").total) == "10.00"
    assert_books_are_clean("2027-01-02T00:30")


def test_a_draft_that_staff_approve_is_taxed_at_its_approval(vat_rises):
    make_default_profile(auto_advance=False, tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    with clock.frozen_at(at("2027-01-02")):
        approve_invoice(invoice=Invoice.objects.get(status__startswith="draft"))
    assert tax_of(invoice__number="INV-000001") == ("20", "VAT 2027", "2.00", "12.00")


def test_what_a_draft_gives_back_keeps_the_tax_that_it_was_charged_with(vat_rises):
    """In January: 31.00 at 20 %. Changed on the 16th to 62.00, in a draft that is issued under 25 %: 32.00 for 16 of 31
    days at 25 % is 8.00, and 16.00 back at 20 % is 3.20."""
    make_default_profile(tax_enabled=True)
    TaxRate.objects.filter(rate=20).update(valid_to=at("2027-01-20"))
    TaxRate.objects.create(country="DE", rate=Decimal(25), name="VAT late", valid_from=at("2027-01-20"))
    basic, pro = flat_plan("basic", "31.00"), flat_plan("pro", "62.00")
    subscription = subscribe(basic, "2027-01-01", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2027-01-01", worked_at="2027-01-01")
    make_default_profile(draft_period="P10D")
    change(subscription, pro, "2027-01-16")
    draft = Invoice.objects.get(status__startswith="draft")
    assert (money(draft.taxes_total), money(draft.total)) == ("3.20", "19.20")
    with clock.frozen_at(at("2027-01-26")):
        advance_due(as_of=at("2027-01-26"))
    draft.refresh_from_db()
    taxes = sorted((f"{line.tax_rate:.0f}", money(line.taxes_total)) for line in draft.lines.all())
    assert taxes == [("20", "-3.20"), ("25", "8.00")]
    assert (draft.issued_at, money(draft.total)) == (at("2027-01-26"), "20.80")
    assert_books_are_clean("2027-01-26T00:30")


def pinned_to_its_own_series(customer, prefix):
    supplier = Supplier.objects.create(name=prefix, invoice_prefix=prefix, credit_note_prefix=f"{prefix}CN")
    profile = enterprise(name=prefix, supplier=supplier, draft_period="P10D", tax_enabled=True)
    CustomerOverride.objects.create(customer=customer, billing_profile=profile)


def test_a_credit_note_made_at_issue_locks_the_series_of_the_whole_batch_with_its_own(vat_rises):
    """16.00 and 3.20 back of January, off a charge of 17.60: 21.12 at 20 %, but 18.48 at 5 %. A credit note over the
    first supplier's invoice gives back what the draft can't: its series comes with those that number the batch."""
    make_default_profile(tax_enabled=True)
    TaxRate.objects.filter(rate=20).update(valid_to=at("2027-01-20"))
    TaxRate.objects.create(country="DE", rate=Decimal(5), name="VAT late", valid_from=at("2027-01-20"))
    subscription = subscribe(flat_plan("basic", "31.00"), "2027-01-01", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2027-01-01", worked_at="2027-01-01")
    pinned_to_its_own_series(vat_rises, "ALT")
    change(subscription, flat_plan("pro", "34.10"), "2027-01-16")
    other = make_customer(key="other", name="Other")
    pinned_to_its_own_series(other, "TRI")
    subscribe(Plan.objects.get(key="basic"), "2027-01-16", customer=other, bill=False)
    close_late(other, as_of="2027-01-16", worked_at="2027-01-16")
    with clock.frozen_at(at("2027-01-26")), CaptureQueriesContext(connection) as queries:
        advance_due(as_of=at("2027-01-26"))
    locking = [q["sql"] for q in queries if "invoicing_numberseries" in q["sql"] and "FOR UPDATE" in q["sql"]]
    assert [pk.hex in locking[0] for pk in Supplier.objects.values_list("pk", flat=True)] == [True, True, True]
    assert CreditNote.objects.get().number == "CN-000001"
    assert {invoice.number for invoice in Invoice.objects.filter(issued_at__gte=at("2027-01-26"))} == {
        "ALT-000001",
        "TRI-000001",
    }


def test_a_preview_over_a_change_of_tax_is_what_follows(vat_rises):
    make_default_profile(draft_period="P3D", tax_enabled=True)
    subscribe(flat_plan("basic", "10.00"), "2026-12-30", customer=vat_rises, bill=False)
    close_late(vat_rises, as_of="2026-12-30", worked_at="2026-12-30")
    until = at("2027-01-02")
    with clock.frozen_at(at("2026-12-31")):
        shown, books = preview_customer(customer_id=vat_rises.pk, until=until), Books()
    assert [document.total for document in shown.documents] == [Decimal(12)]
    live(until, until)
    assert foreseen(shown) == books.made_since()
