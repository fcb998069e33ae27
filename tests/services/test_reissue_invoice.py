"""Voiding and reissuing at 19 % VAT: both or nothing, the chain both ways, the difference by line."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import InvalidInput, PreconditionFailed
from invoicing.errors import WrongInvoiceState
from invoicing.gathering.add_charges import Charge, add_charges
from invoicing.issued.credit_invoice import LineCredit, credit_invoice
from invoicing.issued.reissue_invoice import reissue_invoice
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Invoice, TaxRate
from subscriptions.models import ItemRevision, Subscription
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import make_feature, make_meter, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.corrections import amounts, fee, line, make_correctable, pay
from tests.support.customers import make_default_profile
from tests.support.invoices import balance, invoices, lines_of, money, notes
from tests.support.late_usage import calls_feature, cases, ingest, take_back
from tests.support.subscriptions import change, subscribe
from tests.support.usage import metered, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db):
    """INV-000001: Base 100.00 and Seats 30.00, with 19 % VAT 154.70; unpaid, and paid by bank."""
    return make_correctable()


def reissue(invoice, on="2026-04-10", **options):
    with clock.frozen_at(at(on)):
        return reissue_invoice(invoice=invoice, reason="Wrong address", **options)


def difference(reissued):
    return [(each.name, f"{each.before:.2f}", f"{each.after:.2f}") for each in reissued.lines]


def test_the_same_is_billed_on_another_number_and_each_names_the_other(invoice):
    invoice.customer.name = "Acme GmbH"
    invoice.customer.save()
    reissued = reissue(invoice)
    assert invoices() == [("INV-000001", "154.70", "0.00"), ("INV-000002", "154.70", "154.70")]
    assert lines_of("INV-000002") == [("Base", "100.00"), ("Seats", "30.00")]
    assert reissued.replacement.replaces_id == invoice.pk
    assert list(Invoice.objects.get(pk=invoice.pk).replaced_by.all()) == [reissued.replacement]
    assert (invoice.customer_snapshot["name"], reissued.replacement.customer_snapshot["name"]) == ("Acme", "Acme GmbH")
    assert difference(reissued) == [("Base", "100.00", "100.00"), ("Seats", "30.00", "30.00")]
    assert_books_are_clean("2026-04-10")
    run("2026-05-01")
    assert len(invoices()) == 3
    assert_books_are_clean("2026-05-01")


def test_it_is_billed_by_the_tax_of_now_with_the_difference(invoice):
    """The customer turned out to be in Switzerland, where 8.1 % are due: 140.53 instead of 154.70."""
    invoice.customer.country = "CH"
    invoice.customer.save()
    TaxRate.objects.create(country="CH", rate=Decimal("8.1"), name="MWST", valid_from=at("2020-01-01"))
    reissued = reissue(invoice)
    assert invoices()[1:] == [("INV-000002", "140.53", "140.53")]
    assert difference(reissued) == [("Base", "100.00", "100.00"), ("Seats", "30.00", "30.00")]
    assert_books_are_clean("2026-04-10")


def test_a_reissued_one_can_be_reissued_in_its_turn(invoice):
    second = reissue(invoice).replacement
    third = reissue(second).replacement
    assert (third.number, third.replaces.number, third.replaces.replaces.number) == (
        "INV-000003",
        "INV-000002",
        "INV-000001",
    )
    assert_books_are_clean("2026-04-10")


def test_the_replacement_takes_the_balance_that_was_given_back(invoice):
    pay(invoice, "154.70")
    with clock.frozen_at(at("2026-04-10")):
        seats = [LineCredit(line(invoice, "Seats").pk, Decimal(30))]
        credit_invoice(invoice=invoice, lines=seats, refund=False, reason="x")
    run("2026-05-01")
    second = Invoice.objects.get(number="INV-000002")
    third = reissue(second, "2026-05-02").replacement
    assert amounts(second) == {"status": "voided", "due": "0.00"}
    assert amounts(third) == {"status": "issued", "applied_from_balance": "35.70", "due": "119.00"}
    assert balance() == "0.00"
    assert_books_are_clean("2026-05-02")


def test_what_it_gave_back_is_on_the_balance_and_pays_the_replacement(invoice):
    pay(invoice, "154.70")
    change(Subscription.objects.get(), make_plan(key="big", name="Big", cards=(fee("base", "Base", "200.00"),)))
    second = Invoice.objects.get(number="INV-000002")
    reissued = reissue(second, "2026-04-17")
    assert notes() == [("CN-000001", "65.00", "77.35", "0.00", "77.35")]
    assert amounts(reissued.replacement) == {"status": "issued", "applied_from_balance": "77.35", "due": "41.65"}
    assert difference(reissued) == [("Base", "100.00", "100.00"), ("Unused part: Base", "-50.00", "0.00"),
                                    ("Unused part: Seats", "-15.00", "0.00")]  # fmt: skip
    assert_books_are_clean("2026-04-17")


def test_a_preview_shows_the_difference_and_writes_nothing(invoice):
    make_default_profile(tax_enabled=False)
    shown = reissue(invoice, preview=True)
    assert (f"{shown.voided.total:.2f}", f"{shown.replacement.total:.2f}") == ("154.70", "130.00")
    assert (invoices(), amounts(invoice)["status"]) == ([("INV-000001", "154.70", "154.70")], "issued")
    reissue(invoice)
    assert invoices()[1:] == [("INV-000002", "130.00", "130.00")]


def test_where_invoices_wait_for_approval_the_replacement_is_a_draft(invoice):
    make_default_profile(auto_advance=False)
    replacement = reissue(invoice).replacement
    assert (replacement.status, replacement.replaces_id) == ("draft.manual_approval_needed", invoice.pk)
    assert amounts(invoice)["status"] == "voided"
    assert_books_are_clean("2026-04-10")


@pytest.mark.parametrize("status", ["paid", "part", "credited", "gathering", "draft"])
def test_what_can_not_be_voided_is_not_reissued(invoice, status):
    subject = invoice
    if status == "gathering":
        subject = Invoice.objects.get(status="gathering")
    elif status == "draft":
        make_default_profile(auto_advance=False)
        subject = reissue(invoice).replacement
    elif status == "credited":
        with clock.frozen_at(at("2026-04-10")):
            seats = [LineCredit(line(invoice, "Seats").pk, Decimal(30))]
            credit_invoice(invoice=invoice, lines=seats, refund=False, reason="x")
    else:
        pay(invoice, "154.70" if status == "paid" else "54.70")
    before = invoices()
    with pytest.raises(WrongInvoiceState, match=r"can't be voided\. .* Nothing was changed\."):
        reissue(subject)
    assert invoices() == before


def test_where_nothing_would_be_billed_nothing_is_voided(invoice):
    with clock.frozen_at(at("2026-04-10")):
        ItemRevision.objects.update(active_to=at("2026-04-01"))
    with pytest.raises(InvalidInput, match="Nothing would be billed instead of INV-000001"):
        reissue(invoice)
    assert amounts(invoice)["status"] == "issued"


def test_without_a_reason_or_while_parked_nothing_is_voided(invoice):
    with pytest.raises(InvalidInput, match="Say why"):
        reissue_invoice(invoice=invoice, reason="")
    invoice.customer.parkings.create(cause_code="x", cause="A cause.")
    with pytest.raises(PreconditionFailed, match="is parked"):
        reissue(invoice)
    assert amounts(invoice)["status"] == "issued"


def test_charges_by_hand_are_billed_again_with_it_and_others_wait_on(invoice):
    """Training, 20.00 net, is on the first invoice; Setup was added since, and waits."""

    def charge(name, on):
        one = Charge(name=name, start=at(on), end=at(on), invoice_at=at(on), price={"type": "flat", "amount": "20.00"})
        with clock.frozen_at(at(on)):
            add_charges(customer=invoice.customer, currency="EUR", charges=[one])

    charge("Training", "2026-04-02")
    run("2026-04-03")
    second = Invoice.objects.get(number="INV-000002")
    charge("Setup", "2026-04-04")
    reissued = reissue(second)
    assert (lines_of("INV-000003"), difference(reissued)) == ([("Training", "20.00")], [("Training", "20.00", "20.00")])
    run("2026-04-10")
    assert lines_of("INV-000004") == [("Setup", "20.00")]
    assert_books_are_clean("2026-04-10")


@pytest.fixture
def used():
    """INV-000001 of 1 May 2026: 10 calls at 1.00 in April, sent to be paid; 4 more of April came on the 3rd."""
    make_default_profile(collection_method="send_invoice")
    subscribe(metered(make_feature(key="calls", name="Calls", meter=make_meter())))
    use("2026-04-10", 10)
    run("2026-05-01")
    run("2026-05-01T02:00")
    use("2026-04-20", 4)
    return Invoice.objects.get(number="INV-000001")


def test_late_usage_is_billed_by_a_reissue_with_the_difference_shown(used):
    assert run_check("--only", "8", now="2026-05-03")[0] == 2
    reissued = reissue(used, "2026-05-03")
    assert (f"{reissued.voided.total:.2f}", f"{reissued.replacement.total:.2f}") == ("10.00", "14.00")
    assert difference(reissued) == [("Calls", "10.00", "14.00")]
    assert_books_are_clean("2026-05-03")


def test_usage_that_is_waived_is_counted_by_nobody_again(used):
    with clock.frozen_at(at("2026-05-03")):
        void_invoice(invoice=used, rebill=False, reason="Goodwill")
    assert_books_are_clean("2026-05-03")
    run("2026-06-01")
    run("2026-06-01T02:00")
    assert invoices() == [("INV-000001", "10.00", "0.00"), ("INV-000002", "0.00", "0.00")]
    assert_books_are_clean("2026-06-01T02:00")


@pytest.fixture
def adjusted():
    """INV-000001 bills 10 calls of April at 1.00; INV-000002 the 4 that came late, and 3 of May. Both are unpaid."""
    make_default_profile(collection_method="send_invoice")
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "10")
    run("2026-05-01")
    ingest("2026-04-20", "4", arrived="2026-05-03")
    run("2026-05-04")
    ingest("2026-05-15", "3")
    run("2026-06-01")
    return Invoice.objects.get(number="INV-000002")


@pytest.mark.parametrize("policy", ["bill", "ask"])
def test_late_usage_that_it_had_billed_is_on_the_replacement(adjusted, policy):
    """Whatever the terms say of late usage by now: it was decided about, and is not to decide once more."""
    make_default_profile(late_usage=policy)
    reissued = reissue(adjusted, "2026-06-02")
    assert sorted(difference(reissued)) == [("Calls", "3.00", "3.00"), ("Calls, late usage", "4.00", "4.00")]
    assert invoices()[1:] == [("INV-000002", "7.00", "0.00"), ("INV-000003", "7.00", "7.00")]
    assert_books_are_clean("2026-06-02")
    run("2026-07-01")
    assert (cases()[-1], invoices()[-1]) == (("04-01", "4", "4.00", "billed"), ("INV-000004", "0.00", "0.00"))
    assert_books_are_clean("2026-07-01T00:30")


def test_what_an_adjustment_on_another_invoice_keeps_settled_is_billed_all_the_same(adjusted):
    """April's 10 are billed again beside its 4, which stay on the second invoice: 14.00 in all."""
    reissued = reissue(Invoice.objects.get(number="INV-000001"), "2026-06-02")
    assert [(money(line.before), money(line.after)) for line in reissued.lines] == [("10.00", "10.00")]
    assert invoices() == [
        ("INV-000001", "10.00", "0.00"),
        ("INV-000002", "7.00", "7.00"),
        ("INV-000003", "10.00", "10.00"),
    ]
    run("2026-07-01")
    assert_books_are_clean("2026-07-01T00:30")


def test_late_usage_that_was_taken_back_since_is_on_no_replacement(adjusted):
    """Without the events that came late nothing is late: the replacement bills May alone."""
    take_back("2026-06-02", time="2026-04-20")
    reissued = reissue(adjusted, "2026-06-02")
    assert sorted(difference(reissued)) == [("Calls", "3.00", "3.00"), ("Calls, late usage", "4.00", "0.00")]
    assert invoices()[-1] == ("INV-000003", "3.00", "3.00")
    assert_books_are_clean("2026-06-02")
