"""Drafts are edited: what is set by hand stays set, what was used stays true, and nothing issued changes."""

from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.approvals.errors import ApprovalNeeded
from core.audit.actors import Actor, acting_as
from core.errors import BillingError, InvalidInput, PreconditionFailed
from invoicing.choices import InvoiceStatus
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.drafts.delete_draft import delete_draft
from invoicing.drafts.edit_draft import DraftChanges, edit_draft
from invoicing.drafts.snapshot_quantities import snapshot_quantities
from invoicing.errors import WrongInvoiceState
from invoicing.gathering.add_charges import Charge
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.models import Invoice, InvoiceLine, LineEdit
from invoicing.rating.by_hand import SetByHand
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, make_feature, make_meter, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile, vat_customer
from tests.support.invoices import lines, totals
from tests.support.late_usage import calls_feature, cases, draft_with_adjustment, ingest
from tests.support.subscriptions import subscribe
from tests.support.usage import metered, use

pytestmark = pytest.mark.django_db

UNIT_2 = {"type": "unit", "amount": "2.00"}
CLERK = Actor("user", "1", "Clara")


def percent(value):
    return {"percentage": {"percentage": value}}


def charge(amount="30.00", **overrides):
    values: dict[str, Any] = {
        "name": "Training",
        "start": at("2026-05-01"),
        "end": at("2026-05-01"),
        "invoice_at": at("2026-05-01"),
    }
    return Charge(**(values | {"price": {"type": "flat", "amount": amount}} | overrides))


@pytest.fixture
def draft():
    """Of 1 May: 10 calls in April at 2.00, and May's fee of 50.00 in advance; 19 % VAT. Collected on 3 May."""
    make_default_profile(tax_enabled=True, auto_advance=False, collection_interval="P2D")
    feature = make_feature(key="calls", name="Calls", meter=make_meter())
    calls = usage_card(key="calls", name="Calls", feature=feature, price=UNIT_2)
    customer = vat_customer()
    with clock.frozen_at(at("2026-04-01")):
        plan = make_plan(cards=(flat_card(price=fee("50.00", "in_arrears")), calls))
        record_subscription(customer=customer, plan=plan, active_from=at("2026-04-01"))
    use("2026-04-20", 10)
    run("2026-05-01")
    return Invoice.objects.get(status=InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION)


def line(draft, name):
    return InvoiceLine.objects.get(invoice=draft, name=name, deleted_at=None)


def edit(draft, on="2026-05-02", reason="Agreed", **changes):
    with clock.frozen_at(at(on)):
        return edit_draft(invoice=draft, changes=DraftChanges(**changes), reason=reason)


def test_what_was_set_survives_every_recalculation_and_the_true_quantity_stays(draft):
    """8 calls instead of 10 are 16.00; 15 were used by the collection, and 8 are billed all the same: with the fee
    66.00 net, 12.54 VAT."""
    edited = edit(draft, lines={line(draft, "Calls").pk: SetByHand(quantity=Decimal(8))})
    calls = line(draft, "Calls")
    assert (str(edited.total), calls.managed_by, calls.quantity, calls.metered_quantity) == ("78.54", "manual", 8, 10)
    assert calls.explain["byHand"] == {"quantity": "10", "net": "20.00"}

    use("2026-04-21", 5)
    with clock.frozen_at(at("2026-05-02T12:00")):
        snapshot_quantities(invoice=draft)
    calls.refresh_from_db()
    assert (calls.quantity, calls.metered_quantity, calls.explain["byHand"]["net"]) == (8, 15, "30.00")
    assert str(Invoice.objects.get(pk=draft.pk).total) == "78.54"
    with clock.frozen_at(at("2026-05-04")):
        issued = approve_invoice(invoice=draft)
    assert (issued.number, str(issued.total)) == ("INV-000001", "78.54")
    assert_books_are_clean("2026-05-04")


def test_what_was_set_is_taken_back(draft):
    """Half off, then nothing is set any more: 70.00 net and 13.30 VAT as computed."""
    calls = line(draft, "Calls").pk
    assert str(edit(draft, lines={calls: SetByHand(discounts=percent(50))}).total) == "71.40"
    back = edit(draft, lines={calls: SetByHand()})
    assert (str(back.total), LineEdit.objects.count()) == ("83.30", 0)
    assert (line(draft, "Calls").managed_by, "byHand" in line(draft, "Calls").explain) == ("subscription", False)


def test_a_fee_is_given_a_discount_and_a_charge_is_added_changed_and_removed(draft):
    edited = edit(
        draft,
        lines={line(draft, "Base fee").pk: SetByHand(discounts=percent(10))},
        added=[charge(), charge("5.00", name="Postage")],
        description="As agreed",
        metadata={"order": "4711"},
    )
    assert (edited.description, edited.metadata) == ("As agreed", {"order": "4711"})
    assert lines(draft.pk) == [("Base fee", "45.00"), ("Calls", "20.00"), ("Training", "30.00"), ("Postage", "5.00")]
    assert str(edited.total) == "119.00"
    training, postage = line(draft, "Training"), line(draft, "Postage")
    edited = edit(
        draft, charges={training.pk: charge("40.00", name="Workshop", quantity=Decimal(2))}, removed=[postage.pk]
    )
    assert lines(draft.pk) == [("Base fee", "45.00"), ("Calls", "20.00"), ("Workshop", "80.00")]
    assert str(edited.total) == "172.55"
    run("2026-05-03T01:00")
    with clock.frozen_at(at("2026-05-04")):
        assert str(approve_invoice(invoice=draft).total) == "172.55"
    assert_books_are_clean("2026-05-04")


def test_a_preview_changes_nothing(draft):
    before = Invoice.objects.values().get(pk=draft.pk)
    with clock.frozen_at(at("2026-05-02")):
        shown = edit_draft(invoice=draft, changes=DraftChanges(added=[charge()]), reason="Agreed", preview=True)
    assert str(shown.total) == "119.00"
    assert Invoice.objects.values().get(pk=draft.pk) == before


def test_of_two_at_once_the_second_is_refused(draft):
    read_at = draft.updated_at
    edit(draft, description="First")
    with clock.frozen_at(at("2026-05-02T01:00")), pytest.raises(PreconditionFailed, match="changed since you read it"):
        edit_draft(invoice=draft, changes=DraftChanges(description="Second"), reason="Agreed", read_at=read_at)
    assert Invoice.objects.get(pk=draft.pk).description == "First"


def test_more_than_half_off_takes_two(draft):
    with acting_as(CLERK):
        edit(draft, lines={line(draft, "Calls").pk: SetByHand(quantity=Decimal(5))})
        # Half of the half would add up to three quarters of what was computed.
        with pytest.raises(ApprovalNeeded, match="75 % less than computed"):
            both = SetByHand(quantity=Decimal(5), discounts=percent(50))
            edit(draft, lines={line(draft, "Calls").pk: both})
    assert line(draft, "Calls").quantity == 5


def test_what_is_taken_off_may_be_a_share_without_an_end(draft):
    """15 calls at 2.00 are 30.00. 13 are 26.00: 4 off 30, 13.33... %. 4 are 8.00: 22 off 30, 73.33... %."""
    use("2026-04-21", 5)
    with clock.frozen_at(at("2026-05-02")):
        snapshot_quantities(invoice=draft)
    calls = line(draft, "Calls").pk
    with acting_as(CLERK):
        assert str(edit(draft, lines={calls: SetByHand(quantity=Decimal(13))}).total) == "90.44"
        with pytest.raises(ApprovalNeeded, match=r"73\.33 % less than computed"):
            edit(draft, lines={calls: SetByHand(quantity=Decimal(4))})


def test_late_usage_on_a_draft_is_of_fixed_money():
    draft = draft_with_adjustment()
    late = InvoiceLine.objects.get(kind="late")
    with pytest.raises(InvalidInput) as refused:
        edit(draft, on="2026-06-02", lines={late.pk: SetByHand(quantity=Decimal(1))})
    assert [problem.code for problem in refused.value.problems] == ["not_to_be_set"]
    assert lines(draft.pk) == [("Calls", "4.00"), ("Calls, late usage", "7.00")]


def test_a_deleted_draft_takes_its_edits_along(draft):
    edit(draft, lines={line(draft, "Calls").pk: SetByHand(quantity=Decimal(8))})
    with clock.frozen_at(at("2026-05-02")):
        delete_draft(invoice=draft, rebill=True, reason="Anew")
    run("2026-05-02")
    again = Invoice.objects.get(status__startswith="draft.")
    assert lines(again.pk) == [("Base fee", "50.00"), ("Calls", "20.00")]


def refused(draft, **changes):
    before = list(InvoiceLine.objects.order_by("pk").values())
    with pytest.raises(BillingError) as why:
        edit(draft, **changes)
    assert list(InvoiceLine.objects.order_by("pk").values()) == before
    return why.value.message


def test_what_can_not_be_is_refused_and_nothing_is_changed(draft):
    fee_id, calls = line(draft, "Base fee").pk, line(draft, "Calls").pk
    assert "not on this draft" in refused(draft, lines={draft.pk: SetByHand(quantity=Decimal(1))})
    assert "can't be removed" in refused(draft, removed=[fee_id])
    assert "can't be removed or rewritten" in refused(draft, charges={fee_id: charge()})
    assert "not negative" in refused(draft, lines={calls: SetByHand(quantity=Decimal(-1))})
    assert "no units to be free" in refused(draft, lines={fee_id: SetByHand(discounts={"usage": {"quantity": "5"}})})
    assert "price" in refused(draft, added=[charge(price=None)])
    assert "Say why" in refused(draft, reason=" ", description="x")


def test_an_issued_invoice_is_not_edited_and_the_way_out_is_named(draft):
    run("2026-05-03T01:00")
    with clock.frozen_at(at("2026-05-04")):
        approve_invoice(invoice=draft)
        with pytest.raises(WrongInvoiceState, match="Credit what is wrong on it, or void it"):
            edit_draft(invoice=draft, changes=DraftChanges(description="x"), reason="Agreed")
        gathering = Invoice.objects.get(status=InvoiceStatus.GATHERING)
        with pytest.raises(WrongInvoiceState, match="Invoice it first"):
            edit_draft(invoice=gathering, changes=DraftChanges(description="x"), reason="Agreed")
    assert_books_are_clean("2026-05-04")


@pytest.mark.parametrize(
    ("chosen", "late", "billed"),
    [
        # 8 instead of 12 are let go for good: the 7 that come late cost 7.00, and not the four let off as well.
        (SetByHand(quantity=Decimal(8)), "7.00", "8.00"),
        # Half off is for what was billed so.
        (SetByHand(discounts=percent(50)), "7.00", "6.00"),
        # 15 instead of 12: three of the 7 that come late are paid for already.
        (SetByHand(quantity=Decimal(15)), "4.00", "15.00"),
    ],
    ids=["fewer", "discount", "more"],
)
def test_late_usage_does_not_charge_what_was_let_off_by_hand(chosen, late, billed):
    make_default_profile(auto_advance=False, late_usage="ask")
    subscribe(metered(calls_feature()))
    ingest("2026-04-10", "12")
    run("2026-05-01")
    draft = Invoice.objects.get(status__startswith="draft")
    edit(draft, lines={line(draft, "Calls").pk: chosen})
    with clock.frozen_at(at("2026-05-03")):
        assert f"{approve_invoice(invoice=draft).total:.2f}" == billed
    ingest("2026-04-20", "7", arrived="2026-05-10")
    run("2026-05-12")
    assert cases() == [("04-01", "7", late, "open")]


def test_a_part_whose_quantity_was_set_by_hand_leaves_the_next_one_what_was_used():
    """50 are used and billed as 30; the 20 that follow are 20.00, and the books know why 30 are not 50."""
    make_default_profile(auto_advance=False)
    customer = subscribe(metered(calls_feature())).customer
    ingest("2026-04-05", "50")
    with clock.frozen_at(at("2026-04-10")):
        [part] = invoice_pending_lines(customer=customer, progressive=True)
    edit(part, on="2026-04-11", lines={line(part, "Calls").pk: SetByHand(quantity=Decimal(30))})
    with clock.frozen_at(at("2026-04-11")):
        approve_invoice(invoice=part)
    ingest("2026-04-15", "20")
    make_default_profile(auto_advance=True)
    run("2026-05-01")
    assert totals() == ["30.00", "20.00"]
    assert_books_are_clean("2026-05-01T00:30")
