"""What the parts of a period were billed for beyond what it comes to by now is late usage, which staff decide about
(billing rules 6 and 7)."""

import pytest

from core import clock
from core.errors import InvalidInput
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.issued.void_invoice import void_invoice
from invoicing.late_usage.decide import bill_late_usage, waive_late_usage
from invoicing.models import Invoice, LateUsageCase, LateUsageLook
from tests.support.books import assert_books_are_clean, run_check
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import money, notes
from tests.support.late_usage import calls_feature, cases, ingest, take_back
from tests.support.subscriptions import subscribe
from tests.support.usage import billed, metered

pytestmark = pytest.mark.django_db

TO_DECIDE = 2
# 20 units at 2.00 each, every further one at 1.00.
TIERS = {
    "type": "tiered",
    "mode": "graduated",
    "tiers": [
        {"upToAmount": "20", "unitPrice": {"type": "unit", "amount": "2.00"}},
        {"unitPrice": {"type": "unit", "amount": "1.00"}},
    ],
}


def begin(profile=None, **card):
    """Acme, billed progressively and by transfer for calls at 1.00 since 1 April 2026: nothing is paid at once."""
    make_default_profile(progressive_billing=True, collection_method="send_invoice", **(profile or {}))
    return subscribe(metered(calls_feature(), **card)).customer


def split(customer, on):
    with clock.frozen_at(at(on)):
        return [money(invoice.total) for invoice in invoice_pending_lines(customer=customer)]


def too_much(**card):
    """30 and 20 are billed on 10 April; the 20 are taken back on the 11th."""
    customer = begin(**card)
    ingest("2026-04-04", "30")
    ingest("2026-04-05", "20")
    split(customer, "2026-04-10")
    take_back("2026-04-11", time="2026-04-05")
    run("2026-04-12")
    return customer


def decide(verb, on="2026-04-13"):
    with clock.frozen_at(at(on)):
        verb(case=LateUsageCase.objects.get(state="open"), reason="Agreed by phone")


def test_what_was_taken_back_of_a_part_waits_for_staff_while_the_period_runs():
    too_much()
    assert cases() == [("04-01", "-20", "-20.00", "open")]
    code, said = run_check(now="2026-04-12T00:30")
    assert (code, "late usage of -20 from" in said) == (TO_DECIDE, True), said


def test_the_next_part_that_makes_up_for_it_closes_the_case():
    """55 in all: 50 were billed, 5 are."""
    customer = too_much()
    ingest("2026-04-15", "25")
    assert split(customer, "2026-04-20") == ["5.00"]
    run("2026-04-20T01:00")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed")]
    run("2026-05-01")
    assert_books_are_clean("2026-05-01T00:30")


def test_a_last_part_below_nothing_is_billed_for_nothing_and_its_rest_is_a_case():
    """40 in all: 50 were billed. Nothing new came in since the part was settled."""
    customer = too_much()
    ingest("2026-04-15", "10")
    with pytest.raises(InvalidInput, match="nothing to invoice"):
        split(customer, "2026-04-20")
    run("2026-05-01")
    run("2026-05-01T01:00")
    assert billed()[1] == ("04-10", "05-01", "0", "0.00")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed"), ("04-10", "-10", "-10.00", "open")]
    decide(bill_late_usage, on="2026-05-02")
    assert notes() == [("CN-000001", "10.00", "10.00", "10.00", "0.00")]
    assert_books_are_clean("2026-05-02T00:30")


def test_a_last_part_to_which_nothing_came_leaves_its_rest_to_decide():
    """30 in all: 50 were billed, and the last part came to -20 before it was read."""
    too_much()
    run("2026-05-01")
    run("2026-05-01T01:00")
    assert billed()[1] == ("04-10", "05-01", "0", "0.00")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed"), ("04-10", "-20", "-20.00", "open")]
    code, said = run_check(now="2026-05-01T01:30")
    assert (code, "late usage of -20 from" in said) == (TO_DECIDE, True), said
    decide(bill_late_usage, on="2026-05-02")
    assert notes() == [("CN-000001", "20.00", "20.00", "20.00", "0.00")]
    assert_books_are_clean("2026-05-02T00:30")


def test_a_part_that_falls_below_nothing_while_its_draft_waits_is_billed_for_nothing():
    """50 are counted on 12 April. A part of 10 waits from the 20th on; on the 21st 20 are taken back: 40 in all."""
    customer = begin({"collection_interval": "P2D"})
    ingest("2026-04-04", "30")
    ingest("2026-04-05", "20")
    split(customer, "2026-04-10")
    run("2026-04-12")
    ingest("2026-04-15", "10")
    split(customer, "2026-04-20")
    take_back("2026-04-21", time="2026-04-05")
    run("2026-04-21T01:00")
    assert cases() == []
    run("2026-04-22")
    run("2026-04-22T01:00")
    assert billed()[1] == ("04-10", "04-20", "0", "0.00")
    assert cases() == [("04-10", "-10", "-10.00", "open")]
    assert not LateUsageLook.objects.exists()
    assert run_check(now="2026-04-22T01:30")[0] == TO_DECIDE


def test_what_was_credited_is_no_longer_billed_before_the_next_part():
    """-20.00 for the part, then 25 for 25."""
    customer = too_much()
    decide(bill_late_usage)
    assert notes() == [("CN-000001", "20.00", "20.00", "20.00", "0.00")]
    ingest("2026-04-15", "25")
    assert split(customer, "2026-04-20") == ["25.00"]
    run("2026-05-01")
    assert cases() == [("04-01", "-20", "-20.00", "credited")]
    assert_books_are_clean("2026-05-01T00:30")


def test_tiers_go_on_behind_what_was_credited():
    """50 units: 40.00 + 30.00. 30 of them taken back leave 20: 40.00, a credit of 30.00. 25 more are beyond the first
    tier: 25.00. 45 units in one piece: 40.00 + 25.00."""
    customer = begin(price=TIERS)
    ingest("2026-04-04", "30")
    ingest("2026-04-05", "20")
    assert split(customer, "2026-04-10") == ["70.00"]
    take_back("2026-04-11", time="2026-04-04")
    run("2026-04-12")
    assert cases() == [("04-01", "-30", "-30.00", "open")]
    decide(bill_late_usage)
    ingest("2026-04-15", "25")
    assert split(customer, "2026-04-20") == ["25.00"]
    assert_books_are_clean("2026-04-20T01:00")


def test_a_minimum_of_the_period_is_no_part_of_the_credit():
    """The minimum of 60.00 is billed with the last part: 30 were used, 50 billed, 20 credited, 30.00 are left of it."""
    too_much(price={"type": "unit", "amount": "1.00", "minimumAmount": "60.00"})
    assert cases() == [("04-01", "-20", "-20.00", "open")]
    decide(bill_late_usage)
    run("2026-05-01")
    assert [each[2:] for each in billed()] == [("50", "50.00"), ("0", "30.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_what_was_waived_counts_as_settled_before_the_next_part():
    """The customer leaves the 20.00: 25 more cost 25.00."""
    customer = too_much()
    decide(waive_late_usage)
    ingest("2026-04-15", "25")
    assert split(customer, "2026-04-20") == ["25.00"]
    run("2026-05-01")
    assert notes() == []
    assert_books_are_clean("2026-05-01T00:30")


def test_the_case_comes_back_where_the_part_that_made_up_for_it_is_voided():
    customer = too_much()
    ingest("2026-04-15", "30")
    assert split(customer, "2026-04-20") == ["10.00"]
    run("2026-04-20T01:00")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed")]
    with clock.frozen_at(at("2026-04-21")):
        void_invoice(invoice=Invoice.objects.get(total=10), rebill=True, reason="Wrong address")
    run("2026-04-21T01:00")
    assert cases() == [("04-01", "-20", "-20.00", "absorbed"), ("04-01", "-20", "-20.00", "open")]
    run("2026-05-01")
    run("2026-05-01T01:00")
    assert [each[2:] for each in billed()][-1] == ("10", "10.00")
    assert [each[3] for each in cases()] == ["absorbed", "absorbed"]
    assert_books_are_clean("2026-05-01T01:30")
