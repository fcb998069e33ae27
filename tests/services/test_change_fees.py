"""Fees of once over changes: owed once for each item key and plan, whatever becomes of the terms (billing rules 10)."""

import pytest

from core import clock
from core.periods import parse_duration
from invoicing.models import InvoiceLine
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.migrate_subscription import migrate_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from subscriptions.catalog.plan_terms import PhaseTerms, PlanTerms, RateCardTerms
from subscriptions.lifecycle.edits import AddItem, RemoveItem, StretchPhase
from subscriptions.models import Plan, Subscription
from tests.support.books import assert_books_are_clean
from tests.support.catalog import fee, flat_card, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import make_default_profile
from tests.support.invoices import balance, invoices, lines, lines_of, money, notes
from tests.support.subscriptions import change, do, edit, subscribe, unscheduled

pytestmark = pytest.mark.django_db


def setup_card(amount="100.00", term="in_advance", key="setup"):
    return flat_card(key=key, name="Set-up", billing_cadence=None, price=fee(amount, term))


def base(amount="30.00"):
    return flat_card(name="Fee", price=fee(amount))


def plan_of(*cards, key="team", **overrides):
    return make_plan(cards=cards or (base(), setup_card()), key=key, name=key.title(), **overrides)


def version(number, *cards, phases=(), on="2026-04-10"):
    """The next version of plan `team`, on sale from then on."""
    Plan.objects.filter(key="team", effective_to=None).update(effective_to=at(on))
    values = {"key": "team", "name": "Team", "version": number, "effective_from": at(on)}
    return make_plan(*phases, cards=cards or (base(), setup_card()), **values)


def migrate(subscription, on="2026-04-16", *, timing="immediate", **options):
    with clock.frozen_at(at(on)):
        return migrate_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing=timing, **options)


def once(amount, key="setup", term="in_advance"):
    return RateCardTerms(key=key, name="Set-up", type="flat_fee", billing_cadence=None, price=fee(amount, term))


def billed(name="Set-up"):
    """What was charged and given back of it, in order of the invoices."""
    return [net for number, _, _ in invoices() for line, net in lines_of(number) if line.endswith(name)]


@pytest.mark.parametrize("amount", ["100.00", "150.00"])
@pytest.mark.parametrize("timing", ["immediate", "next_billing_cycle"])
def test_a_newer_version_of_the_plan_charges_no_fee_a_second_time(amount, timing):
    """100.00 once, also where the new version asks for another amount; the preview says the same."""
    subscription = subscribe(plan_of())
    version(2, base(), setup_card(amount))
    preview = migrate(subscription, timing=timing, preview=True)
    assert "Set-up" not in {line.name for line in (*preview.lines, *preview.next_lines)}
    result = migrate(subscription, timing=timing)
    assert (preview.due_now, preview.next_amount) == (result.due_now, result.next_amount)
    assert (money(result.charge_amount), money(result.next_amount)) == (
        ("15.00", "30.00") if timing == "immediate" else ("0.00", "30.00")
    )
    run("2026-05-01")
    run("2026-06-01")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-06-01T00:30")


def test_a_third_version_charges_it_no_third_time():
    subscription = subscribe(plan_of())
    version(2)
    second = migrate(subscription).successor
    version(3, on="2026-04-18")
    migrate(second, "2026-04-20")
    run("2026-05-01")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_new_item_of_the_new_version_is_owed():
    subscription = subscribe(plan_of())
    version(2, base(), setup_card(), setup_card("40.00", key="training"))
    result = migrate(subscription)
    assert lines(result.invoice_ids[0]) == [("Fee", "15.00"), ("Set-up", "40.00"), ("Unused part: Fee", "-15.00")]
    assert_books_are_clean("2026-04-16T00:30")


def test_another_plan_charges_its_own_and_the_way_back_charges_nothing():
    """Set-up of Team 100.00, of Pro 60.00; back on Team its fee has been charged."""
    subscription = subscribe(plan_of())
    pro = plan_of(base("90.00"), setup_card("60.00"), key="pro")
    second = change(subscription, pro, "2026-04-16").successor
    third = change(second, Plan.objects.get(key="team"), "2026-04-20").successor
    change(third, pro, "2026-04-22")
    run("2026-05-01")
    assert billed() == ["100.00", "60.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_new_subscription_owes_anew():
    subscription = subscribe(plan_of())
    do(cancel_subscription, subscription, "2026-04-16", timing="immediate")
    with clock.frozen_at(at("2026-04-20")):
        subscribe(Plan.objects.get(key="team"), "2026-04-20")
    assert billed() == ["100.00", "100.00"]


def test_the_customers_own_terms_are_a_plan_of_their_own():
    """100.00 on each of two terms that were made for the customer."""
    terms = PlanTerms(
        name="Team",
        currency="EUR",
        billing_cadence="P1M",
        phases=(PhaseTerms(key="all", name="All", rate_cards=(once("100.00"),)),),
    )
    subscription = subscribe(None, custom_plan=terms)
    change(subscription, None, custom_plan=terms)
    assert billed() == ["100.00", "100.00"]


def test_a_fee_of_a_later_phase_is_owed_when_its_phase_comes():
    """Nothing of it was charged on the trial of the first version: the new one charges it in its own paid phase."""
    trial, paid = {"key": "trial", "duration": "P1M", "cards": (base("0.00"),)}, {"key": "paid"}
    plan = make_plan(trial, paid | {"cards": (base(), setup_card())}, key="team", name="Team")
    subscription = subscribe(plan)
    version(2, phases=(trial, paid | {"cards": (base(), setup_card("120.00"))}))
    migrate(subscription)
    run("2026-05-16")
    assert billed() == ["120.00"]
    assert_books_are_clean("2026-05-16T00:30")


def test_a_fee_that_a_phase_gives_for_nothing_is_owed_in_the_next_one():
    trial = {"key": "trial", "duration": "P1M", "cards": (base("0.00"), setup_card("0.00"))}
    paid = {"key": "paid", "cards": (base(), setup_card())}
    late = {"key": "late", "cards": (base(), setup_card())}
    plan = make_plan(trial, paid | {"duration": "P1M"}, late, key="team", name="Team")
    subscribe(plan)
    for on in ("2026-05-01", "2026-06-01", "2026-07-01"):
        run(on)
    assert billed() == ["0.00", "100.00"]
    assert_books_are_clean("2026-07-01T00:30")


@pytest.mark.parametrize("bill", [True, False])
def test_a_fee_that_is_not_billed_yet_is_billed_once(bill):
    subscription = subscribe(plan_of(), bill=bill)
    version(2, base(), setup_card("150.00"))
    migrate(subscription)
    run("2026-05-01")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-05-01T00:30")


@pytest.mark.parametrize("bill", [True, False])
def test_a_migration_in_the_second_of_the_start_leaves_the_fee_as_it_is(bill):
    subscription = subscribe(plan_of(), bill=bill)
    version(2, base(), setup_card("150.00"), on="2026-04-01")
    migrate(subscription, "2026-04-01")
    run("2026-04-01")
    run("2026-05-01")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_fee_on_a_draft_stays_there_over_a_migration():
    make_default_profile(auto_advance=False)
    subscription = subscribe(plan_of())
    version(2)
    migrate(subscription)
    names = InvoiceLine.objects.filter(name="Set-up", deleted_at=None, invoice__deleted_at=None)
    assert [money(line.amount) for line in names] == ["100.00"]


def test_a_plan_that_had_no_time_gives_its_fee_back():
    """There and back in one second: the plan in between was never had. 45.00 and 60.00 of it come back; 15.00 go to
    Team's rest of April, for which nothing of its own fee is owed."""
    subscription = subscribe(plan_of())
    other = plan_of(base("90.00"), setup_card("60.00"), key="pro")
    second = change(subscription, other, "2026-04-16").successor
    assert billed() == ["100.00", "60.00"]
    change(second, Plan.objects.get(key="team"), "2026-04-16")
    assert (billed(), balance()) == (["100.00", "60.00"], "90.00")
    assert_books_are_clean("2026-04-16T00:30")


def test_a_fee_in_arrears_moves_on_and_is_charged_at_the_end():
    subscription = subscribe(plan_of(base(), setup_card("80.00", "in_arrears")))
    version(2, base(), setup_card("90.00", "in_arrears"))
    second = migrate(subscription).successor
    run("2026-05-01")
    assert billed() == []
    do(cancel_subscription, second, "2026-05-16", timing="immediate")
    assert billed() == ["90.00"]
    assert_books_are_clean("2026-05-16T00:30")


def test_a_fee_in_arrears_is_charged_when_its_plan_is_left():
    subscription = subscribe(plan_of(base(), setup_card("80.00", "in_arrears")))
    pro = plan_of(base("90.00"), key="pro")
    second = change(subscription, pro).successor
    change(second, Plan.objects.get(key="team"), "2026-04-20")
    do(cancel_subscription, Subscription.objects.latest("active_from"), "2026-04-25", timing="immediate")
    assert billed() == ["80.00"]
    assert_books_are_clean("2026-04-25T00:30")


def test_a_migration_that_is_taken_back_leaves_the_fee_where_it_was():
    subscription = subscribe(plan_of(base(), setup_card("80.00", "in_arrears")))
    version(2, base(), setup_card("90.00", "in_arrears"))
    migrate(subscription, timing="next_billing_cycle")
    unscheduled(subscription, "2026-04-20")
    do(cancel_subscription, subscription, "2026-04-25", timing="immediate")
    assert billed() == ["80.00"]


def test_an_edit_charges_no_fee_a_second_time():
    subscription = subscribe(plan_of())
    edit(subscription, "2026-04-16", AddItem("phase_1", once("150.00")))
    edit(subscription, "2026-04-18", RemoveItem("phase_1", "setup"))
    edit(subscription, "2026-04-20", AddItem("phase_1", once("150.00")))
    run("2026-05-01")
    assert billed() == ["100.00"]
    edit(subscription, "2026-05-02", AddItem("phase_1", once("40.00", key="training")))
    assert billed() == ["100.00", "40.00"]
    assert_books_are_clean("2026-05-02T00:30")


def test_a_fee_in_arrears_takes_the_price_that_an_edit_gave_it():
    subscription = subscribe(plan_of(base(), setup_card("80.00", "in_arrears")))
    edit(subscription, "2026-04-16", AddItem("phase_1", once("95.00", term="in_arrears")))
    assert billed() == []
    do(cancel_subscription, subscription, "2026-04-20", timing="immediate")
    assert billed() == ["95.00"]
    assert_books_are_clean("2026-04-20T00:30")


def test_a_fee_of_once_that_becomes_a_monthly_one_keeps_what_it_charged():
    """100.00 once, then from the 16th 10.00 a month under the same key: 5.00 for the rest of April."""
    subscription = subscribe(plan_of())
    monthly = RateCardTerms(key="setup", name="Care", type="flat_fee", billing_cadence="P1M", price=fee("10.00"))
    edit(subscription, "2026-04-16", AddItem("phase_1", monthly))
    run("2026-05-01")
    assert (billed(), billed("Care")) == (["100.00"], ["5.00", "10.00"])
    assert_books_are_clean("2026-05-01T00:30")


def test_no_part_of_a_fee_comes_back_when_its_phase_ends_early():
    """The phase was to last three months; nothing of what was owed once is a fee for time."""
    phases = (
        {"key": "start", "duration": "P3M", "cards": (base(), setup_card())},
        {"key": "later", "cards": (base(),)},
    )
    subscription = subscribe(make_plan(*phases, key="team", name="Team"))
    do(cancel_subscription, subscription, "2026-04-16", timing="immediate")
    assert [net for _, net, *_ in notes()] == ["15.00"]
    assert_books_are_clean("2026-04-16T00:30")


def test_a_pause_and_a_longer_phase_charge_no_fee_a_second_time():
    phases = (
        {"key": "start", "duration": "P3M", "cards": (base(), setup_card())},
        {"key": "later", "cards": (base(), setup_card("70.00", key="later_setup"))},
    )
    subscription = subscribe(make_plan(*phases, key="team", name="Team"))
    do(pause_subscription, subscription, "2026-04-10", timing="immediate")
    do(resume_subscription, subscription, "2026-04-20", timing="immediate")
    edit(subscription, "2026-05-10", StretchPhase("start", parse_duration("P1M")))
    for on in ("2026-06-01", "2026-07-01", "2026-08-01"):
        run(on)
    assert billed() == ["100.00", "70.00"]
    assert_books_are_clean("2026-08-01T00:30")


@pytest.mark.parametrize("term", ["in_advance", "in_arrears"])
def test_an_edit_after_a_migration_asks_for_no_fee_that_an_earlier_version_charged(term):
    """Version 2 has no set-up fee, so the edit gives it an item that is new there: 100.00 all the same, not 200.00."""
    subscription = subscribe(plan_of(base(), setup_card(term=term)))
    version(2, base())
    successor = migrate(subscription).successor
    edit(successor, "2026-04-20", AddItem("phase_1", once("100.00", term=term)))
    do(cancel_subscription, successor, "2026-05-20", timing="immediate")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-05-20")


def test_an_edit_after_a_change_to_another_plan_charges_its_fee():
    subscription = subscribe(plan_of())
    successor = change(subscription, plan_of(base(), key="other")).successor
    edit(successor, "2026-04-20", AddItem("phase_1", once("100.00")))
    assert billed() == ["100.00", "100.00"]
    assert_books_are_clean("2026-04-20")


@pytest.mark.parametrize("canceled", [True, False])
def test_a_fee_in_arrears_waits_for_no_phase_that_may_never_come(canceled):
    """Version 2 asks for it from its second phase on only: it is charged when version 1 is left, and no second time."""
    subscription = subscribe(plan_of(base(), setup_card(term="in_arrears")))
    version(2, phases=({"cards": (base(),), "duration": "P2M"}, {"cards": (base(), setup_card())}))
    successor = migrate(subscription).successor
    assert billed() == ["100.00"]
    if canceled:
        do(cancel_subscription, successor, "2026-05-20", timing="immediate")
    run("2026-07-20")
    assert billed() == ["100.00"]
    assert_books_are_clean("2026-07-20")


def test_a_fee_in_arrears_whose_terms_end_with_the_change_moves_on():
    """Its phase ends at the very moment of the migration: version 2 takes it along, and charges it at the end, once."""
    phases = ({"cards": (base(), setup_card(term="in_arrears")), "duration": "P1M"}, {"cards": (base(),)})
    subscription = subscribe(make_plan(*phases, key="team", name="Team"))
    version(2, base(), setup_card("150.00", term="in_arrears"))
    successor = migrate(subscription, timing="next_billing_cycle").successor
    run("2026-05-01")
    assert billed() == []
    do(cancel_subscription, successor, "2026-05-20", timing="immediate")
    assert billed() == ["150.00"]
    assert_books_are_clean("2026-05-20")


def test_a_fee_that_was_free_in_the_phase_that_a_migration_left_is_owed_in_the_new_version():
    phases = ({"cards": (base(), setup_card("0.00")), "duration": "P2M"}, {"cards": (base(), setup_card())})
    subscription = subscribe(make_plan(*phases, key="team", name="Team"))
    version(2)
    migrate(subscription)
    assert billed() == ["0.00", "100.00"]
    assert_books_are_clean("2026-04-16")
