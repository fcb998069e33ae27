"""One rule for each edge of changing, canceling, pausing and editing a subscription (decision: plan changes)."""

from decimal import Decimal

import pytest

from core import clock
from core.errors import BillingError, Conflict, InvalidInput, PreconditionFailed
from core.periods import parse_duration
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.change_addon import add_addon, change_addon_quantity
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.lifecycle.edits import AddItem, RemoveItem, StretchPhase, UnscheduleEdit
from subscriptions.lifecycle.record_report import record_report
from subscriptions.models import ItemRevision, Subscription, SubscriptionAddOn
from tests.services.test_addons import offered
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, flat_plan, make_feature, make_plan, usage_card
from tests.support.clock import at
from tests.support.closing import run
from tests.support.invoices import lines, money, notes, totals
from tests.support.subscriptions import change, do, edit, subscribe

pytestmark = pytest.mark.django_db


def unschedule(subscription, on):
    with clock.frozen_at(at(on)):
        return unschedule_cancelation(subscription=Subscription.objects.get(pk=subscription.pk)).subscription


def card(key="base", amount="90.00"):
    return RateCardTerms(key=key, name=key.title(), type="flat_fee", billing_cadence="P1M", price=fee(amount))


@pytest.fixture
def basic(db):
    """30.00 a month from 1 April on, billed."""
    return subscribe(flat_plan("basic", "30.00"))


# Unscheduling


def test_a_change_that_has_happened_is_not_unscheduled(basic):
    successor = change(basic, flat_plan("pro", "90.00")).successor
    with pytest.raises(PreconditionFailed, match="ended on 2026-04-16 00:00 UTC"):
        unschedule(basic, "2026-04-17")
    with pytest.raises(PreconditionFailed, match="runs on without a planned end; nothing was changed"):
        unschedule(successor, "2026-04-17")
    assert totals() == ["30.00", "30.00"]


def test_unscheduling_a_change_to_come_leaves_everything_as_it_was(basic):
    change(basic, flat_plan("pro", "90.00"), timing="next_billing_cycle")
    unschedule(basic, "2026-04-20")
    run("2026-05-01")
    assert (totals(), Subscription.objects.count()) == (["30.00", "30.00"], 1)
    assert_books_are_clean("2026-05-01T00:30")


def test_after_unscheduling_another_change_can_be_made(basic):
    """15.00 back and 45.00 for the rest of April, as if nothing had been planned."""
    pro = flat_plan("pro", "90.00")
    change(basic, pro, "2026-04-10", timing="next_billing_cycle")
    with pytest.raises(Conflict, match="A change to Pro is scheduled for 2026-05-01 00:00 UTC"):
        change(basic, pro, "2026-04-16")
    unschedule(basic, "2026-04-16")
    change(basic, pro, "2026-04-16")
    assert totals() == ["30.00", "30.00"]


# Pauses


def test_while_it_is_paused_nothing_of_it_is_changed_or_edited(basic):
    pro = flat_plan("pro", "90.00")
    do(pause_subscription, basic, "2026-04-16")
    for timing in ("immediate", "next_billing_cycle"):
        with pytest.raises(PreconditionFailed, match="is paused from 2026-04-16T00:00:00"):
            change(basic, pro, "2026-05-01", timing=timing)
        with pytest.raises(PreconditionFailed, match="Resume it before changing it"):
            edit(basic, "2026-05-01", AddItem("phase_1", card()), timing=timing)
    assert totals() == ["30.00"]


def test_a_pause_over_a_boundary_and_a_change_after_it(basic):
    """15.00 back; from 10 May, 22 of 31 days are 21.29. On the 16th 16 of those 22 days come back, 15.48; 46.45 of
    90.00 are charged."""
    do(pause_subscription, basic, "2026-04-16")
    run("2026-05-01")
    do(resume_subscription, basic, "2026-05-10")
    result = change(basic, flat_plan("pro", "90.00"), "2026-05-16")
    assert lines(result.invoice_ids[-1]) == [("Pro fee", "46.45"), ("Unused part: Basic fee", "-15.48")]
    run("2026-06-01")
    assert totals() == ["30.00", "21.29", "30.97", "90.00"]
    assert [gross for _, _, gross, _, _ in notes()] == ["15.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_a_change_that_waits_is_unscheduled_before_a_pause(basic):
    change(basic, flat_plan("pro", "90.00"), timing="next_billing_cycle")
    with pytest.raises(Conflict, match="Unschedule it first"):
        do(pause_subscription, basic, "2026-04-20")


def test_canceled_while_paused_it_gives_nothing_back_twice(basic):
    do(pause_subscription, basic, "2026-04-16")
    result = do(cancel_subscription, basic, "2026-04-20")
    assert (money(result.credit_amount), money(result.credit_note_total)) == ("0.00", "0.00")
    run("2026-05-01")
    assert (totals(), [gross for _, _, gross, _, _ in notes()]) == (["30.00"], ["15.00"])
    with pytest.raises(PreconditionFailed, match="ended on 2026-04-20 00:00 UTC"):
        do(resume_subscription, basic, "2026-04-21")
    assert_books_are_clean("2026-05-01T00:30")


def test_canceled_while_paused_it_can_be_resumed_until_it_ends(basic):
    """Resumed on the 21st: 10 of 30 days are 10.00, and nothing after April."""
    do(pause_subscription, basic, "2026-04-16")
    do(cancel_subscription, basic, "2026-04-20", "next_billing_cycle")
    do(resume_subscription, basic, "2026-04-21")
    run("2026-05-01")
    assert totals() == ["30.00", "10.00"]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize(
    ("since", "charged"),
    [
        # The whole of May.
        ("2026-05-01", [("Basic fee", "30.00")]),
        # 22 of 31 days.
        ("2026-05-10", [("Basic fee", "21.29")]),
        # 10 of 30 days of April and the whole of May.
        ("2026-04-21", [("Basic fee", "10.00"), ("Basic fee", "30.00")]),
        # As if it had never been paused: 15 of 30 days and the whole of May.
        ("2026-04-16", [("Basic fee", "15.00"), ("Basic fee", "30.00")]),
    ],
)
def test_resumed_in_the_past_it_is_charged_from_then_on(basic, since, charged):
    do(pause_subscription, basic, "2026-04-16")
    run("2026-05-01")
    result = do(resume_subscription, basic, "2026-05-20", at(since))
    assert lines(result.invoice_ids[-1]) == charged
    assert_books_are_clean("2026-05-20T00:30")


def test_it_is_not_resumed_before_it_was_paused(basic):
    do(pause_subscription, basic, "2026-04-16")
    with pytest.raises(InvalidInput, match="The pause began on 2026-04-16 00:00 UTC only"):
        do(resume_subscription, basic, "2026-04-20", at("2026-04-10"))


# The past, over what was issued

CONTRADICTION = "Invoice INV-000002, issued on 1 May 2026, bills Basic fee for 1 May 2026 to 1 June 2026"


@pytest.mark.parametrize(
    ("service", "options"),
    [
        (cancel_subscription, {}),
        (pause_subscription, {}),
        (edit_subscription, {"edits": [AddItem("phase_1", card())]}),
        (edit_subscription, {"edits": [RemoveItem("phase_1", "base")]}),
    ],
)
@pytest.mark.parametrize("preview", [True, False])
def test_what_is_dated_before_an_issued_invoice_is_refused_and_names_it(basic, service, options, preview):
    run("2026-05-01")
    with pytest.raises(Conflict, match=CONTRADICTION):
        do(service, basic, "2026-05-03", at("2026-04-16"), preview=preview, **options)
    assert totals() == ["30.00", "30.00"]


def test_an_addon_dated_before_an_issued_invoice_is_refused_and_names_it(basic):
    addon = offered(basic)
    run("2026-05-01")
    with pytest.raises(Conflict, match=CONTRADICTION):
        do(add_addon, basic, "2026-05-03", at("2026-04-16"), addon=addon, quantity=1)


@pytest.mark.parametrize(
    "edits",
    [
        [AddItem("phase_1", card("storage", "5.00"))],
        [RemoveItem("phase_1", "storage")],
    ],
)
def test_usage_that_was_billed_is_given_no_other_terms(db, edits):
    """Usage of 200 GB from 1 April was billed on 1 May by packages of 25."""
    plan = make_plan(cards=(usage_card(feature=make_feature()),))
    subscription = subscribe(plan)
    report(subscription, "2026-04-20")
    run("2026-05-01")
    assert totals() == ["8.00"]
    with pytest.raises(
        Conflict, match="Invoice INV-000001, issued on 1 May 2026, bills Excess storage for 1 April 2026"
    ):
        edit(subscription, "2026-05-03", *edits, timing=at("2026-04-16"))
    assert ItemRevision.objects.count() == 1


def test_what_was_not_billed_at_all_can_be_added_from_before_an_issued_invoice(db):
    """5.00 a month from 16 April, said on 3 May: 15 of 30 days of April, and the whole of May."""
    subscription = subscribe(make_plan(cards=(usage_card(feature=make_feature()),)))
    report(subscription, "2026-04-20")
    run("2026-05-01")
    edit(subscription, "2026-05-03", AddItem("phase_1", card("extra", "5.00")), timing=at("2026-04-16"))
    assert totals() == ["8.00", "7.50"]


def report(subscription, on):
    with clock.frozen_at(at(on)):
        record_report(item=subscription.items.get(key="storage"), quantity=Decimal(200))


def test_a_new_price_from_the_second_of_the_last_boundary_on_replaces_the_whole_period(basic):
    """May was billed at 30.00: it comes back whole, 90.00 are charged."""
    run("2026-05-01")
    result = edit(basic, "2026-05-03", AddItem("phase_1", card()), timing=at("2026-05-01"))
    assert lines(result.invoice_ids[-1]) == [("Base", "90.00"), ("Unused part: Basic fee", "-30.00")]
    assert_books_are_clean("2026-05-03T00:30")


def test_an_edit_prorates_every_seat(db):
    """5 seats at 10.00, from the 16th at 20.00: half of 50.00 comes back, half of 100.00 is charged."""
    plan = make_plan(cards=(flat_card(key="seats", name="Seats", price=fee("10.00")),))
    subscription = subscribe(plan, quantities={"seats": Decimal(5)})
    result = edit(subscription, "2026-04-16", AddItem("phase_1", card("seats", "20.00")))
    assert lines(result.invoice_ids[-1]) == [("Seats", "50.00"), ("Unused part: Seats", "-25.00")]
    assert money(result.next_amount) == "100.00"


def test_what_has_not_begun_is_edited_before_its_start(db):
    """From 1 May at 30.00, then agreed at 90.00: nothing is billed before, and only that."""
    with clock.frozen_at(at("2026-04-10")):
        subscription = subscribe(flat_plan("basic", "30.00"), "2026-05-01", bill=False)
    result = edit(subscription, "2026-04-20", AddItem("phase_1", card()))
    assert (result.lines, money(result.next_amount), result.next_billing_at) == ((), "90.00", at("2026-05-01"))
    run("2026-05-01")
    assert totals() == ["90.00"]
    assert_books_are_clean("2026-05-01T00:30")


# Edits and add-ons


@pytest.fixture
def ramped(db):
    """30.00 a month until 1 July, then 60.00; Support, 30.00 a month, bought on 16 April."""
    plan = make_plan(
        {"cards": [flat_card(price=fee("30.00"))], "duration": "P3M"}, {"cards": [flat_card(price=fee("60.00"))]}
    )
    subscription = subscribe(plan)
    do(add_addon, subscription, "2026-04-16", addon=offered(subscription), quantity=1)
    return subscription


@pytest.mark.parametrize("edits", [[RemoveItem("phase_1", "support")], [AddItem("phase_1", card("support", "1.00"))]])
def test_an_edit_leaves_the_items_of_an_addon_alone(ramped, edits):
    with pytest.raises(InvalidInput, match="belongs to the add-on Support: change the quantity of that purchase"):
        edit(ramped, "2026-04-20", *edits)
    run("2026-05-01")
    assert totals() == ["30.00", "15.00", "60.00"]


def test_phases_move_without_the_addon_that_was_bought_in_them(ramped):
    """The first phase lasts a month longer: July is 30.00, August 60.00, each with Support."""
    edit(ramped, "2026-04-20", StretchPhase("phase_1", parse_duration("P1M")))
    for day in ("2026-05-01", "2026-06-01", "2026-07-01", "2026-08-01"):
        run(day)
    assert totals() == ["30.00", "15.00", "60.00", "60.00", "60.00", "90.00"]
    assert ItemRevision.objects.get(item__key="support").active_to is None


def test_taking_back_planned_edits_leaves_the_planned_end_of_an_addon(ramped):
    with clock.frozen_at(at("2026-04-20")):
        change_addon_quantity(purchase=SubscriptionAddOn.objects.get(), quantity=0, timing="next_billing_cycle")
    edit(ramped, "2026-04-20", RemoveItem("phase_1", "base"), timing="next_billing_cycle")
    edit(ramped, "2026-04-21", UnscheduleEdit())
    run("2026-05-01")
    assert totals() == ["30.00", "15.00", "30.00"]


def test_an_edit_brings_in_no_second_price_for_a_feature_of_an_addon(db):
    subscription = subscribe(flat_plan("basic", "30.00"))
    feature = make_feature()
    do(add_addon, subscription, "2026-04-16", addon=offered(subscription, usage_card(feature=feature)), quantity=1)
    other = RateCardTerms(
        key="more",
        name="More",
        type="usage_based",
        billing_cadence="P1M",
        feature_id=feature.pk,
        feature_key="storage",
        price={"type": "unit", "amount": "1"},
    )
    with pytest.raises(BillingError, match="storage bills usage of storage already"):
        edit(subscription, "2026-04-20", AddItem("phase_1", other))
