"""`PATCH /subscriptions/{id}`: items and phases added, removed and moved, with their money (billing rules 10)."""

import pytest

from core import clock
from core.ids import to_text
from subscriptions.models import Subscription
from tests.support.api import data, fields_at_fault, refused
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import invoices, lines_of, notes
from tests.support.subscriptions import subscribe

pytestmark = pytest.mark.django_db


def card(amount, key="base", **overrides):
    values = {"type": "flat_fee", "key": key, "name": f"{key.title()} at {amount}", "billingCadence": "P1M"}
    return values | {"price": {"type": "flat", "amount": amount, "paymentTerm": "in_advance"}} | overrides


def add(amount, key="base", phase="phase_1"):
    return {"op": "add_item", "phaseKey": phase, "rateCard": card(amount, key)}


def address(subscription):
    return f"/subscriptions/{to_text(subscription.pk)}"


def patch(api, subscription, on, *customizations, **body):
    with clock.frozen_at(at(on)):
        return api.call("PATCH", address(subscription), {"customizations": customizations} | body)


def last_invoice():
    return lines_of(invoices()[-1][0])


def phases(api, subscription, on):
    with clock.frozen_at(at(on)):
        shown = data(api.get(address(subscription)))["phases"]
    return [(phase["key"], phase["activeFrom"][:10], phase.get("activeTo", "")[:10]) for phase in shown]


def test_a_new_price_in_mid_period_bills_the_old_part_and_the_new_part(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    with clock.frozen_at(at("2026-04-16")):
        preview = data(api.post(f"{address(subscription)}/preview-change", {"customizations": [add("90.00")]}))
    assert (preview["creditAmount"], preview["chargeAmount"], preview["dueNow"]) == ("15.00", "45.00", "30.00")
    assert len(invoices()) == 1
    shown = data(patch(api, subscription, "2026-04-16", add("90.00")))
    assert (shown["status"], shown["plan"]["key"]) == ("active", "basic")
    assert last_invoice() == [("Base at 90.00", "45.00"), ("Unused part: Basic fee", "-15.00")]
    run("2026-05-01")
    assert last_invoice() == [("Base at 90.00", "90.00")]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_new_price_on_the_second_of_a_billed_boundary_replaces_the_whole_period(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    run("2026-05-01")
    data(patch(api, subscription, "2026-05-01", add("90.00")))
    assert last_invoice() == [("Base at 90.00", "90.00"), ("Unused part: Basic fee", "-30.00")]
    run("2026-06-01")
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00", "60.00", "90.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_an_item_is_removed_and_another_added(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    remove = {"op": "remove_item", "phaseKey": "phase_1", "itemKey": "base"}
    data(patch(api, subscription, "2026-04-16", remove, add("10.00", "support")))
    assert last_invoice() == [("Support at 10.00", "5.00"), ("Unused part: Basic fee", "-5.00")]
    assert notes() == [("CN-000001", "10.00", "10.00", "0.00", "10.00")]
    assert list(subscription.items.values_list("key", "running_number")) == [("base", 1), ("support", 2)]
    assert fields_at_fault(patch(api, subscription, "2026-04-20", remove)) == {"customizations.0": "item_not_found"}
    assert_books_are_clean("2026-04-16T00:30")


def test_an_edit_at_the_next_cycle_can_be_unscheduled(api):
    subscription = subscribe(flat_plan("basic", "30.00"))
    data(patch(api, subscription, "2026-04-16", add("90.00"), timing="next_billing_cycle"))
    assert len(invoices()) == 1
    data(patch(api, subscription, "2026-04-20", {"op": "unschedule_edit"}))
    run("2026-05-01")
    assert last_invoice() == [("Basic fee", "30.00")]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.fixture
def trial(db):
    """A month of trial at 1.00, two months of ramp at 10.00, then 30.00."""

    def cards(amount):
        return (flat_card(price=fee(amount)),)

    plan = make_plan(
        {"key": "trial", "duration": "P1M", "cards": cards("1.00")},
        {"key": "ramp", "duration": "P2M", "cards": cards("10.00")},
        {"key": "full", "cards": cards("30.00")},
    )
    return subscribe(plan)


def test_a_phase_is_stretched_and_what_follows_moves(api, trial):
    stretch = {"op": "stretch_phase", "phaseKey": "trial", "extendBy": "P1M"}
    data(patch(api, trial, "2026-04-16", stretch))
    assert phases(api, trial, "2026-04-16") == [
        ("trial", "2026-04-01", "2026-06-01"),
        ("ramp", "2026-06-01", "2026-08-01"),
        ("full", "2026-08-01", ""),
    ]
    for day in ("2026-05-01", "2026-06-01"):
        run(day)
    assert [total for _, total, _ in invoices()] == ["1.00", "1.00", "10.00"]
    assert_books_are_clean("2026-06-01T00:30")
    full = stretch | {"phaseKey": "full"}
    assert fields_at_fault(patch(api, trial, "2026-06-02", full)) == {"customizations.0": "no_end"}


@pytest.mark.parametrize(
    ("shift", "left"),
    [
        ("next", [("trial", "2026-04-01", "2026-05-01"), ("full", "2026-05-01", "")]),
        ("prev", [("trial", "2026-04-01", "2026-07-01"), ("full", "2026-07-01", "")]),
    ],
)
def test_a_phase_to_come_is_removed(api, trial, shift, left):
    data(patch(api, trial, "2026-04-16", {"op": "remove_phase", "phaseKey": "ramp", "shift": shift}))
    assert phases(api, trial, "2026-04-16") == left
    run("2026-05-01")
    assert invoices()[-1][1] == ("30.00" if shift == "next" else "1.00")
    assert_books_are_clean("2026-05-01T00:30")


def test_a_phase_is_added_with_its_item(api, trial):
    phase = {"key": "gift", "name": "Gift", "startAfter": "P1M", "duration": "P1M"}
    data(patch(api, trial, "2026-04-16", {"op": "add_phase", "phase": phase}, add("2.00", phase="gift")))
    assert phases(api, trial, "2026-04-16") == [
        ("trial", "2026-04-01", "2026-05-01"),
        ("gift", "2026-05-01", "2026-06-01"),
        ("ramp", "2026-06-01", "2026-08-01"),
        ("full", "2026-08-01", ""),
    ]
    run("2026-05-01")
    assert invoices()[-1][1] == "2.00"
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        ({"op": "add_item", "phaseKey": "trial"}, "customizations.0.rateCard"),
        ({"op": "remove_item", "phaseKey": "none", "itemKey": "base"}, "customizations.0"),
        ({"op": "remove_phase", "phaseKey": "trial", "shift": "next"}, "customizations.0"),
        ({"op": "explode"}, "customizations.0.op"),
        (
            {"op": "add_item", "phaseKey": "trial", "rateCard": card("1.00", price={"type": "unit", "amount": "1"})},
            "customizations.0.rateCard.price.type",
        ),
        (
            {"op": "add_phase", "phase": {"key": "late", "name": "Late", "startAfter": "P1D"}},
            "customizations.0",
        ),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_whole(api, trial, edit, fault):
    before = Subscription.objects.values().get(), list(trial.items.values())
    stretch = {"op": "stretch_phase", "phaseKey": "ramp", "extendBy": "P1M"}
    assert fault in fields_at_fault(patch(api, trial, "2026-04-16", edit, stretch))
    assert (Subscription.objects.values().get(), list(trial.items.values())) == before
    assert phases(api, trial, "2026-04-16")[1] == ("ramp", "2026-05-01", "2026-07-01")


def test_without_proration_a_period_is_neither_paused_nor_repriced_in_its_middle(api):
    subscription = subscribe(flat_plan("basic", "30.00", pro_rating_enabled=False))
    fault = fields_at_fault(patch(api, subscription, "2026-04-16", add("90.00")))
    assert fault == {"customizations.0": "no_proration"}
    with clock.frozen_at(at("2026-04-16")):
        refused(api.post(f"{address(subscription)}/pause", {}), 412)
        data(api.post(f"{address(subscription)}/pause", {"timing": "next_billing_cycle"}))
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["30.00"]
    with clock.frozen_at(at("2026-06-01")):
        data(api.post(f"{address(subscription)}/resume", {}))
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00"]
    assert_books_are_clean("2026-06-01T00:30")
