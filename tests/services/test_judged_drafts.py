"""What is unusual about drafts that wait: looked at once, kept with them, and looked at anew once they change."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.audit.models import AuditEntry
from core.errors import PreconditionFailed
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.edit_draft import DraftChanges, edit_draft
from invoicing.drafts.judge_drafts import judge_drafts, judge_waiting
from invoicing.gathering.add_charges import Charge
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.issued.void_invoice import void_invoice
from invoicing.models import Invoice, TaxRate
from invoicing.rating.by_hand import SetByHand
from tests.support.catalog import flat_plan, make_excess_plan
from tests.support.clock import at
from tests.support.closing import make_draft, make_subscriber, run, run_close
from tests.support.customers import make_customer, make_default_profile, vat_customer
from tests.support.late_usage import calls_feature, ingest
from tests.support.subscriptions import change, subscribe
from tests.support.usage import metered

pytestmark = pytest.mark.django_db

TRAINING = Charge(
    name="Training",
    start=at("2026-03-17"),
    end=at("2026-03-18"),
    invoice_at=at("2026-03-18"),
    price={"type": "flat", "amount": "120.00", "paymentTerm": "in_arrears"},
)


def kinds(invoice):
    invoice.refresh_from_db()
    return None if invoice.anomalies is None else [each["kind"] for each in invoice.anomalies]


def waiting():
    return Invoice.objects.get(status__in=["draft.manual_approval_needed", "draft.waiting_auto_approval"])


def approved(on):
    with clock.frozen_at(at(on)):
        return approve_invoice(invoice=waiting())


@pytest.fixture
def calls():
    """Acme, who is billed for calls at 1.00 each by drafts that wait for approval."""
    make_default_profile(auto_advance=False)
    return subscribe(metered(calls_feature()))


def month(on, used, *, approve=True):
    """`used` calls in the month before the day `on`, billed by a draft on it."""
    ingest(f"2026-{int(on[5:7]) - 1:02}-10", str(used))
    run(on)
    return approved(on) if approve else waiting()


def test_the_first_draft_is_marked_as_the_customers_first(calls):
    assert kinds(month("2026-05-01", 100, approve=False)) == ["first"]


def test_a_draft_is_held_against_the_invoice_of_the_month_before(calls):
    month("2026-05-01", 100)
    draft = month("2026-06-01", 65, approve=False)
    assert kinds(draft) == ["fell"]
    assert draft.anomalies == [
        {"kind": "fell", "from": "100", "to": "65", "percent": "35", "number": "INV-000001"},
    ]


def test_an_ordinary_draft_ranks_behind_all_others(calls):
    month("2026-05-01", 100)
    draft = month("2026-06-01", 90, approve=False)
    assert kinds(draft) == []
    assert draft.anomaly_rank == 0


def test_usage_that_stopped_and_a_zero_total_are_said_beside_the_fall(calls):
    month("2026-05-01", 100)
    run("2026-06-01")
    assert kinds(waiting()) == ["zero", "fell", "no_usage"]
    assert waiting().anomalies[2]["items"] == ["Calls"]


def test_three_months_make_a_median(calls):
    """Of 100, 100 and 190 it is 100: 210 is more than twice that, and 11 % above the last."""
    for on, used in (("2026-05-01", 100), ("2026-06-01", 100), ("2026-07-01", 190)):
        month(on, used)
    draft = month("2026-08-01", 210, approve=False)
    assert draft.anomalies == [{"kind": "large", "median": "100", "of": 3, "to": "210"}]


def test_a_voided_invoice_is_not_held_against_a_draft(calls):
    first = month("2026-05-01", 100)
    Invoice.objects.filter(pk=first.pk).update(paid=0, due=first.total, status="issued")
    first.payments.all().delete()
    with clock.frozen_at(at("2026-05-02")):
        void_invoice(invoice=Invoice.objects.get(pk=first.pk), rebill=False, reason="Wrong")
    assert kinds(month("2026-06-01", 5, approve=False)) == ["first"]


def test_a_change_of_plan_is_held_against_the_plan_before():
    """30.00 a month, then 9.00: 70 % less."""
    make_default_profile(auto_advance=False)
    subscription = subscribe(flat_plan("big", "30.00"))
    approved("2026-04-01")
    change(subscription, flat_plan("small", "9.00"), "2026-04-20", timing="next_billing_cycle")
    run("2026-05-01")
    assert [each["kind"] for each in waiting().anomalies] == ["fell"]
    assert waiting().anomalies[0]["percent"] == "70"


def test_a_customer_abroad_who_is_charged_without_tax_is_expected_to_have_a_tax_id():
    """The supplier is in the United States; for France no rate is known, and for home one is."""
    TaxRate.objects.create(country="US", rate=8, name="Sales tax", valid_from=at("2020-01-01"))
    make_default_profile(auto_advance=False, tax_enabled=True)
    supplier = make_default_profile().supplier
    supplier.country = "US"
    supplier.save()
    plan = make_excess_plan()
    for key, facts in (
        ("abroad", {"country": "FR"}),
        ("known", {"country": "FR", "tax_id": "FR40303265045"}),
        ("home", {"country": "US"}),
    ):
        make_subscriber(plan, key=key, name=key.title(), **facts)
    run_close()
    judge_waiting()
    found = {invoice.customer.key: kinds(invoice) for invoice in Invoice.objects.filter(status__startswith="draft.")}
    assert found == {"abroad": ["tax_id", "first"], "known": ["first"], "home": ["first"]}


def test_who_is_taxed_abroad_needs_no_tax_id():
    make_default_profile(auto_advance=False, tax_enabled=True)
    customer = vat_customer()
    subscribe(flat_plan("basic", "10.00"), customer=customer)
    assert kinds(waiting()) == ["first"]


@pytest.mark.parametrize("rates", [True, False])
def test_where_the_supplier_taxes_nobody_nobody_needs_a_tax_id(rates):
    """Tax is off in every profile; or on, and no rate is known."""
    if rates:
        TaxRate.objects.create(country="US", rate=8, name="Sales tax", valid_from=at("2020-01-01"))
    make_default_profile(auto_advance=False, tax_enabled=not rates)
    subscribe(flat_plan("basic", "10.00"), customer=make_customer(country="FR"))
    assert kinds(waiting()) == ["first"]


def test_an_edit_is_marked_at_once_and_taken_back_with_it(calls):
    month("2026-05-01", 100)
    draft = month("2026-06-01", 100, approve=False)
    line = draft.lines.get()
    for quantity, expected in ((Decimal(60), ["fell", "by_hand"]), (None, [])):
        with clock.frozen_at(at("2026-06-02")):
            edit_draft(
                invoice=draft, changes=DraftChanges(lines={line.pk: SetByHand(quantity, None)}), reason="As agreed"
            )
        assert kinds(draft) == expected


def test_a_charge_by_hand_is_marked():
    draft = make_draft()
    judge_waiting()
    assert kinds(draft) == ["first"]
    with clock.frozen_at(at("2026-03-18")):
        edit_draft(invoice=draft, changes=DraftChanges(added=[TRAINING]), reason="As agreed")
    assert kinds(draft) == ["first", "by_hand"]


def test_a_preview_of_an_edit_marks_nothing():
    draft = make_draft()
    judge_waiting()
    changes = DraftChanges(added=[TRAINING])
    with clock.frozen_at(at("2026-03-18")):
        edit_draft(invoice=draft, changes=changes, reason="As agreed", preview=True)
    assert kinds(draft) == ["first"]


def test_late_usage_of_a_draft_is_marked_once_it_is_found(calls):
    """A case of 7 calls of April, found after the draft of April was collected; and gone with its decision."""
    month("2026-05-01", 100)
    draft = month("2026-06-01", 100, approve=False)
    assert kinds(draft) == []
    make_default_profile(late_usage="ask")
    ingest("2026-05-20", "7", arrived="2026-06-03")
    run("2026-06-04")
    assert draft.anomalies is not None
    assert kinds(draft) == ["late"]
    assert draft.anomalies == [{"kind": "late", "lines": 0, "cases": 1}]


def test_a_part_of_a_period_is_held_against_nothing(calls):
    month("2026-05-01", 100)
    make_default_profile(progressive_billing=True)
    ingest("2026-05-05", "10")
    with clock.frozen_at(at("2026-05-06")):
        invoice_pending_lines(customer=calls.customer)
    judge_waiting()
    assert kinds(waiting()) == []


def test_what_is_issued_at_once_is_not_looked_at():
    make_default_profile()
    subscribe(flat_plan("basic", "10.00"))
    invoice = Invoice.objects.get(issued_at__isnull=False)
    assert kinds(invoice) is None


def test_a_draft_that_waits_for_its_time_is_looked_at_too():
    draft = make_draft(auto_advance=True, draft_period="P3D")
    judge_waiting()
    assert draft.status == "draft.waiting_auto_approval"
    assert kinds(draft) == ["first"]


def test_an_approval_says_what_was_unusual_and_refuses_another_total():
    draft = make_draft()
    judge_waiting()
    draft.refresh_from_db()
    with pytest.raises(PreconditionFailed, match=r"comes to 50\.00 EUR now, not to 49\.00 EUR"):
        approve_invoice(invoice=draft, shown=Decimal("49.00"))
    assert Invoice.objects.get(pk=draft.pk).issued_at is None
    approve_invoice(invoice=draft, shown=Decimal("50.00"))
    entry = AuditEntry.objects.get(verb="approve_invoice")
    assert "over 50.00 EUR, marked as unusual: first invoice" in entry.sentence


def test_thirty_drafts_are_looked_at_by_as_many_queries_as_three():
    make_default_profile(auto_advance=False)
    plan = make_excess_plan()

    def asked(first, count):
        for number in range(first, first + count):
            make_subscriber(plan, key=f"customer-{number:03}", name=f"Customer {number:03}")
        run_close()
        ids = list(Invoice.objects.filter(anomaly_rank=None, status__startswith="draft.").values_list("pk", flat=True))
        assert len(ids) == count
        with CaptureQueriesContext(connection) as captured:
            assert len(judge_drafts(ids)) == count
        return len(captured)

    assert asked(0, 3) == asked(3, 30)
