"""Late usage billed by voiding its invoice and reissuing it: both or nothing, once, with the difference shown."""

from contextlib import suppress
from decimal import Decimal

import pytest

from core import clock
from core.audit.models import AuditEntry
from core.errors import InvalidInput
from invoicing.drafts.delete_draft import delete_draft
from invoicing.errors import CustomerParked, WrongInvoiceState
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.issued.reissue_invoice import reissue_invoice
from invoicing.issued.reissue_late_usage import reissue_late_usage, why_not_reissue
from invoicing.issued.void_invoice import void_invoice
from invoicing.late_usage.decide import LateUsageChanged, LateUsageDecided, Shown, bill_late_usage
from invoicing.models import Invoice, LateUsageCase
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem
from tests.support.books import assert_books_are_clean
from tests.support.clock import at
from tests.support.closing import run
from tests.support.corrections import pay
from tests.support.crowd import at_once
from tests.support.customers import make_default_profile, vat_customer
from tests.support.invoices import invoices, lines_of, money
from tests.support.late_usage import calls_feature, cases, ingest, take_back
from tests.support.subscriptions import edit, subscribe
from tests.support.usage import UNIT, metered

pytestmark = pytest.mark.django_db


@pytest.fixture
def case():
    """INV-000001 of 1 May: 10 calls of April at 1.00 and 19 %, unpaid; 4 more came on the 10th: 4.00 to decide."""
    make_default_profile(collection_method="send_invoice", late_usage="ask", tax_enabled=True)
    subscribe(metered(calls_feature()), customer=vat_customer())
    ingest("2026-04-10", "10")
    run("2026-05-01")
    ingest("2026-04-20", "4", arrived="2026-05-10")
    run("2026-05-11")
    return LateUsageCase.objects.get()


def reissue(case, on="2026-05-12", **options):
    with clock.frozen_at(at(on)):
        return reissue_late_usage(case=case, reason="They asked for one invoice", **options)


def test_the_invoice_is_billed_anew_with_it_and_the_case_is_decided(case):
    done = reissue(case, shown=Shown(Decimal(4), Decimal("4.00")))
    assert invoices() == [("INV-000001", "11.90", "0.00"), ("INV-000002", "16.66", "16.66")]
    assert [(line.name, money(line.before), money(line.after)) for line in done.reissued.lines] == [
        ("Calls", "10.00", "14.00")
    ]
    decided = LateUsageCase.objects.get()
    assert (cases(), decided.reason) == ([("04-01", "4", "4.00", "reissued")], "They asked for one invoice")
    assert decided.line == done.reissued.replacement.lines.get(kind="usage")
    entry = AuditEntry.objects.get(verb="reissue_late_usage")
    assert (
        "voided INV-000001 and reissued it with 4 of late usage of Calls from 2026-04-01, worth 4.00 EUR"
        in entry.sentence
    )
    assert_books_are_clean("2026-05-12")
    # Nothing of it is owed, or to decide, once more.
    run("2026-06-01")
    assert (cases(), invoices()[2:]) == (
        [("04-01", "4", "4.00", "reissued")],
        [("INV-000003", "0.00", "0.00")],
    )
    assert_books_are_clean("2026-06-01T00:30")


def test_what_comes_later_still_is_another_case_and_the_decided_one_stays(case):
    reissue(case)
    ingest("2026-04-21", "3", arrived="2026-05-13")
    run("2026-05-14")
    assert sorted(cases()) == [("04-01", "3", "3.00", "open"), ("04-01", "4", "4.00", "reissued")]
    reissue(LateUsageCase.objects.get(state="open"), "2026-05-15")
    assert invoices()[-1] == ("INV-000003", "20.23", "20.23")
    assert [each[-1] for each in cases()] == ["reissued", "reissued"]
    assert_books_are_clean("2026-05-15")


def test_less_usage_makes_a_smaller_invoice(case):
    """The 10 are taken back; the 4 that came late and one more stay: 5.00 net, 5.95 gross."""
    ingest("2026-04-11", "1", arrived="2026-05-11T01:00")
    take_back("2026-05-11T02:00", time="2026-04-10")
    run("2026-05-11T03:00")
    assert cases() == [("04-01", "-5", "-5.00", "open")]
    reissue(LateUsageCase.objects.get())
    assert invoices()[1:] == [("INV-000002", "5.95", "5.95")]
    assert_books_are_clean("2026-05-12")


def test_a_preview_shows_it_and_writes_nothing(case):
    done = reissue(case, preview=True)
    assert (money(done.reissued.replacement.total), done.case.state) == ("16.66", "reissued")
    assert (invoices(), cases()) == ([("INV-000001", "11.90", "11.90")], [("04-01", "4", "4.00", "open")])
    reissue(case)
    assert invoices()[1:] == [("INV-000002", "16.66", "16.66")]


def test_other_figures_no_reason_and_a_second_decision_are_refused(case):
    with pytest.raises(LateUsageChanged, match=r"it is 4 now, 4\.00 EUR net"):
        reissue(case, shown=Shown(Decimal(3), Decimal("3.00")))
    with pytest.raises(InvalidInput, match="Say why"), clock.frozen_at(at("2026-05-12")):
        reissue_late_usage(case=case, reason=" ")
    assert invoices() == [("INV-000001", "11.90", "11.90")]
    reissue(case)
    with pytest.raises(LateUsageDecided, match="decided already: billed anew with its invoice"):
        reissue(case)
    assert len(invoices()) == 2


def test_what_is_paid_is_not_voided_and_the_case_stays_open(case):
    pay(Invoice.objects.get(number="INV-000001"), "1.90", "2026-05-11")
    assert "1.90 EUR of it is paid" in why_not_reissue(case)
    with pytest.raises(WrongInvoiceState, match=r"INV-000001 can't be voided. 1.90 EUR of it is paid"):
        reissue(case)
    assert cases() == [("04-01", "4", "4.00", "open")]


def test_a_window_that_was_waived_has_no_invoice_to_reissue(case):
    with clock.frozen_at(at("2026-05-12")):
        void_invoice(invoice=Invoice.objects.get(number="INV-000001"), rebill=False, reason="Goodwill")
    assert why_not_reissue(case) == "It is voided already."


def test_who_is_parked_is_billed_nothing(case):
    case.customer.parkings.create(cause_code="x", cause="A cause.")
    with pytest.raises(CustomerParked):
        reissue(case)
    assert invoices() == [("INV-000001", "11.90", "11.90")]


CHEAPER = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {"upToAmount": "100", "unitPrice": {"type": "unit", "amount": "1.00"}},
        {"unitPrice": {"type": "unit", "amount": "0.50"}},
    ],
}


def two_windows(price, **profile):
    """50 up to a change on the 16th, 50 after it, each on an invoice of its own; then 60 late for the first."""
    make_default_profile(collection_method="send_invoice", late_usage="ask", **profile)
    subscription = subscribe(metered(calls_feature(), price=price))
    ingest("2026-04-05", "50")
    same = RateCardTerms(
        type="usage_based", key="calls", name="Calls again", billing_cadence="P1M", feature_key="calls", price=price
    )
    edit(subscription, "2026-04-16", AddItem("phase_1", same))
    run("2026-04-16")
    ingest("2026-04-20", "50")
    run("2026-05-01")
    ingest("2026-04-10", "60", arrived="2026-05-01T12:00")
    run("2026-05-02")


def standing():
    """What is billed, and owed, in all."""
    return sum(invoice.total for invoice in Invoice.objects.filter(issued_at__isnull=False).exclude(status="voided"))


def test_usage_is_not_billed_again_where_late_usage_of_it_changes_what_another_invoice_bills():
    """The first 100 at 1.00, then at 0.50. 160 units are 130.00, so that 30.00 are to decide. The first window by
    itself would be 105.00, and the second stay at 50.00: 25.00 too much. Billed first, all of it comes to 130.00."""
    two_windows(CHEAPER)
    assert (cases(), standing()) == ([("04-01", "60", "30.00", "open")], 100)
    first = Invoice.objects.get(number="INV-000001")
    for rebill in (
        lambda: void_invoice(invoice=first, rebill=True, reason="x"),
        lambda: reissue_invoice(invoice=first, reason="x"),
    ):
        with (
            pytest.raises(
                WrongInvoiceState, match="60 of late usage of Calls from 2026-04-01 also changes what INV-000002"
            ),
            clock.frozen_at(at("2026-05-03")),
        ):
            rebill()
    with clock.frozen_at(at("2026-05-03")):
        bill_late_usage(case=LateUsageCase.objects.get(), reason="Agreed")
        # It waits, and would go with the window.
        with pytest.raises(WrongInvoiceState, match="also changes what INV-000002"):
            void_invoice(invoice=first, rebill=True, reason="x")
    run("2026-05-03T01:00")
    run("2026-06-01")
    with clock.frozen_at(at("2026-06-02")):
        void_invoice(invoice=first, rebill=True, reason="x")
    run("2026-06-02")
    with clock.frozen_at(at("2026-06-03")), suppress(LateUsageDecided):
        for case in LateUsageCase.objects.filter(state="open"):
            bill_late_usage(case=case, reason="Agreed")
    run("2026-07-01")
    assert standing() == 130
    assert_books_are_clean("2026-07-01T00:30")


def test_usage_is_billed_again_where_its_late_usage_costs_nothing_elsewhere():
    """At 1.00 each window costs what it holds: 110.00 and 50.00."""
    two_windows(UNIT)
    with clock.frozen_at(at("2026-05-03")):
        void_invoice(invoice=Invoice.objects.get(number="INV-000001"), rebill=True, reason="x")
    run("2026-05-03")
    assert (standing(), cases()[0][-1]) == (160, "absorbed")
    assert_books_are_clean("2026-05-03T00:30")


def test_what_is_waived_asks_nothing_of_its_late_usage():
    two_windows(CHEAPER)
    with clock.frozen_at(at("2026-05-03")):
        void_invoice(invoice=Invoice.objects.get(number="INV-000001"), rebill=False, reason="x")
    assert standing() == 50


def test_a_draft_is_not_billed_again_where_late_usage_of_it_changes_what_another_invoice_bills():
    two_windows(CHEAPER, auto_advance=False)
    first, _ = Invoice.objects.filter(status="draft.manual_approval_needed").order_by("id")
    with clock.frozen_at(at("2026-05-03")):
        with pytest.raises(WrongInvoiceState, match="can't be billed again: 60 of late usage"):
            delete_draft(invoice=first, rebill=True, reason="x")
        assert delete_draft(invoice=first, rebill=False, reason="x").status == "deleted"


def test_another_window_of_the_period_on_another_invoice_keeps_it_from_being_reissued():
    two_windows(CHEAPER)
    assert cases() == [("04-01", "60", "30.00", "open")]
    with pytest.raises(WrongInvoiceState, match="changes what INV-000002 bills of Calls again from 2026-04-16"):
        reissue(LateUsageCase.objects.get())
    assert (len(invoices()), cases()[0][-1]) == (2, "open")


def test_the_last_part_of_a_period_takes_what_came_late_for_an_earlier_one():
    """Parts of 5.00 and 6.00; 7 come late for the first: the last is billed anew at 13.00, the first stays."""
    make_default_profile(collection_method="send_invoice", late_usage="ask")
    customer = subscribe(metered(calls_feature())).customer
    ingest("2026-04-05", "5")
    with clock.frozen_at(at("2026-04-10")):
        invoice_pending_lines(customer=customer, as_of=at("2026-04-10"), progressive=True)
    ingest("2026-04-20", "6")
    run("2026-05-01")
    ingest("2026-04-06", "7", arrived="2026-05-02")
    run("2026-05-03")
    assert cases() == [("04-10", "7", "7.00", "open")]
    reissue(LateUsageCase.objects.get())
    assert invoices() == [
        ("INV-000001", "5.00", "5.00"),
        ("INV-000002", "6.00", "0.00"),
        ("INV-000003", "13.00", "13.00"),
    ]
    assert lines_of("INV-000003")[0] == ("Calls", "13.00")
    assert_books_are_clean("2026-05-12")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_done(case):
    def act():
        try:
            reissue_late_usage(case=case, reason="x")
        except (LateUsageDecided, WrongInvoiceState):
            return 0
        return 1

    assert sum(at_once(act, act, now=at("2026-05-12"))) == 1
    assert [number for number, _, _ in invoices()] == ["INV-000001", "INV-000002"]
