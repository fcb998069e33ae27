"""The money of plan changes: the figures of billing rules 3 and 10, with and without VAT."""

from decimal import Decimal

import pytest
from django.db import connection

from core import clock
from core.errors import InvalidInput
from customers.models import Customer
from invoicing.models import Invoice, InvoiceLine, TaxRate
from invoicing.rating import read_explanation, readable
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.edit_subscription import edit_subscription
from invoicing.subscription_changes.pause_subscription import pause_subscription
from invoicing.subscription_changes.resume_subscription import resume_subscription
from invoicing.subscription_changes.unschedule_cancelation import unschedule_cancelation
from invoicing.subscription_changes.update_item import update_item
from subscriptions.catalog.plan_terms import RateCardTerms
from subscriptions.errors import NotChangeable
from subscriptions.lifecycle.edits import AddItem
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.models import Subscription
from tests.support.books import assert_books_are_clean, run_check
from tests.support.catalog import fee, flat_card, flat_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import vat_customer
from tests.support.invoices import balance, invoices, lines, money, notes
from tests.support.payments import pays_by_bank
from tests.support.subscriptions import change, subscribe

pytestmark = pytest.mark.django_db


def cancel(subscription, on, timing="immediate"):
    with clock.frozen_at(at(on)):
        return cancel_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing=timing)


def figures(result):
    return tuple(
        money(amount)
        for amount in (result.credit_amount, result.charge_amount, result.due_now, result.credit_note_total)
    )


def test_an_upgrade_credits_the_unused_part_and_charges_the_rest_of_the_period_on_one_invoice():
    subscription = subscribe(flat_plan("basic", "30.00"))
    result = change(subscription, flat_plan("pro", "90.00"))
    assert invoices() == [("INV-000001", "30.00", "0.00"), ("INV-000002", "30.00", "0.00")]
    assert lines(result.invoice_ids[0]) == [("Pro fee", "45.00"), ("Unused part: Basic fee", "-15.00")]
    assert figures(result) == ("15.00", "45.00", "30.00", "0.00")
    assert (result.next_billing_at, money(result.next_amount)) == (at("2026-05-01"), "90.00")
    run("2026-05-01")
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00", "90.00"]
    assert notes() == []
    assert_books_are_clean("2026-05-01T00:30")


def test_a_downgrade_credits_what_its_lines_can_take_and_the_rest_by_credit_note_to_the_balance():
    subscription = subscribe(flat_plan("pro", "90.00"))
    result = change(subscription, flat_plan("basic", "30.00"))
    assert lines(result.invoice_ids[0]) == [("Basic fee", "15.00"), ("Unused part: Pro fee", "-15.00")]
    assert invoices() == [("INV-000001", "90.00", "0.00"), ("INV-000002", "0.00", "0.00")]
    assert notes() == [("CN-000001", "30.00", "30.00", "0.00", "30.00")]
    assert figures(result) == ("45.00", "15.00", "0.00", "30.00")
    assert balance() == "30.00"
    run("2026-05-01")
    may = Invoice.objects.get(number="INV-000003")
    assert [money(amount) for amount in (may.total, may.applied_from_balance, may.due)] == ["30.00", "30.00", "0.00"]
    assert (may.status, balance()) == ("paid", "0.00")
    assert_books_are_clean("2026-05-01T00:30")


def test_with_vat_the_upgrade_is_taxed_on_what_it_comes_to():
    subscription = subscribe(flat_plan("basic", "30.00"), customer=vat_customer())
    result = change(subscription, flat_plan("pro", "90.00"))
    assert [total for _, total, _ in invoices()] == ["35.70", "35.70"]
    invoice = Invoice.objects.get(pk=result.invoice_ids[0])
    assert [money(amount) for amount in (invoice.amount, invoice.taxes_total)] == ["30.00", "5.70"]
    assert sorted(money(line.taxes_total) for line in invoice.lines.all()) == ["-2.85", "8.55"]
    assert figures(result) == ("15.00", "45.00", "35.70", "0.00")
    assert_books_are_clean("2026-04-16T00:30")


def test_with_vat_the_credit_note_is_gross_and_serves_the_next_invoice_after_tax():
    subscription = subscribe(flat_plan("pro", "90.00"), customer=vat_customer())
    result = change(subscription, flat_plan("basic", "30.00"))
    assert invoices() == [("INV-000001", "107.10", "0.00"), ("INV-000002", "0.00", "0.00")]
    assert notes() == [("CN-000001", "30.00", "35.70", "0.00", "35.70")]
    assert figures(result) == ("45.00", "15.00", "0.00", "35.70")
    run("2026-05-01")
    assert invoices()[-1] == ("INV-000003", "35.70", "0.00")
    assert balance() == "0.00"
    assert_books_are_clean("2026-05-01T00:30")


def test_tax_that_comes_back_partly_by_line_and_partly_by_note_is_rounded_as_if_it_came_back_at_once():
    """15.00 come back at 19 %, 0.50 by line with 0.10 and 14.50 by note: 2.75, since 2.85 is the tax of 15.00."""
    subscription = subscribe(flat_plan("pro", "30.00"), customer=vat_customer())
    result = change(subscription, flat_plan("mini", "1.00"))
    assert lines(result.invoice_ids[0]) == [("Mini fee", "0.50"), ("Unused part: Pro fee", "-0.50")]
    assert notes() == [("CN-000001", "14.50", "17.25", "0.00", "17.25")]
    assert_books_are_clean("2026-04-16T00:30")


def test_the_whole_of_a_line_comes_back_with_the_whole_of_its_tax():
    """30.00 with 5.70: 0.50 by line with 0.10, so 29.50 by note with 5.60, where 19 % of 29.50 would be 5.61."""
    subscription = subscribe(flat_plan("pro", "30.00"), customer=vat_customer())
    result = change(subscription, flat_plan("mini", "0.50"), "2026-04-01")
    assert lines(result.invoice_ids[0]) == [("Mini fee", "0.50"), ("Unused part: Pro fee", "-0.50")]
    assert notes() == [("CN-000001", "29.50", "35.10", "0.00", "35.10")]
    assert_books_are_clean("2026-04-01T00:30")


def test_a_credit_note_comes_off_what_is_still_due_on_its_invoice():
    pays_by_bank()
    subscription = subscribe(flat_plan("pro", "90.00"), customer=vat_customer())
    change(subscription, flat_plan("basic", "30.00"))
    assert invoices() == [("INV-000001", "107.10", "71.40"), ("INV-000002", "0.00", "0.00")]
    assert notes() == [("CN-000001", "30.00", "35.70", "35.70", "0.00")]
    assert balance() == "0.00"
    assert_books_are_clean("2026-04-16T00:30")


def test_a_balance_is_applied_after_tax():
    """Billing rules 3: with 19 % VAT, a balance of 119.00 against 200.00 net leaves 119.00 due."""
    subscription = subscribe(flat_plan("big", "200.00"), customer=vat_customer())
    cancel(subscription, "2026-04-16")
    assert notes() == [("CN-000001", "100.00", "119.00", "0.00", "119.00")]
    pays_by_bank()
    subscribe(flat_plan("other", "200.00"), "2026-06-01")
    assert invoices()[-1] == ("INV-000002", "238.00", "119.00")
    invoice = Invoice.objects.get(number="INV-000002")
    assert [money(amount) for amount in (invoice.taxes_total, invoice.applied_from_balance)] == ["38.00", "119.00"]
    assert balance() == "0.00"
    assert_books_are_clean("2026-06-01T00:30")


def test_an_immediate_cancelation_gives_back_what_was_not_used():
    subscription = subscribe(flat_plan("basic", "30.00"))
    result = cancel(subscription, "2026-04-16")
    assert invoices() == [("INV-000001", "30.00", "0.00")]
    assert notes() == [("CN-000001", "15.00", "15.00", "0.00", "15.00")]
    assert figures(result) == ("15.00", "0.00", "0.00", "15.00")
    assert result.next_billing_at is None
    run("2026-06-01")
    assert len(invoices()) == 1
    assert_books_are_clean("2026-06-01T00:30")


def test_a_plan_without_proration_gives_nothing_back():
    """Nothing owed, nothing back: no document."""
    subscription = subscribe(flat_plan("basic", "30.00", pro_rating_enabled=False))
    result = cancel(subscription, "2026-04-16")
    assert (figures(result), result.invoice_ids) == (("0.00", "0.00", "0.00", "0.00"), ())
    run("2026-06-01")
    assert (invoices(), notes(), balance()) == ([("INV-000001", "30.00", "0.00")], [], "0.00")
    assert_books_are_clean("2026-06-01T00:30")


def test_an_end_that_comes_and_goes_makes_no_document_where_whole_periods_are_billed():
    """May is billed while its end on 16 May is known, then that end is taken back: it stays the 30.00 that it was."""
    subscription = subscribe(flat_plan("basic", "30.00", pro_rating_enabled=False))
    cancel(subscription, "2026-04-20", timing=at("2026-05-16"))
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-10")):
        unschedule_cancelation(subscription=Subscription.objects.get(pk=subscription.pk))
    run("2026-05-20")
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00"]
    assert_books_are_clean("2026-05-20T00:30")


def test_a_change_of_plan_shows_no_line_for_the_period_that_is_not_prorated():
    """The old plan's whole April was billed: the invoice of the change is that of the new plan alone."""
    subscription = subscribe(flat_plan("basic", "30.00", pro_rating_enabled=False))
    result = change(subscription, flat_plan("pro", "90.00"), "2026-04-16")
    assert lines(result.invoice_ids[0]) == [("Pro fee", "45.00")]
    assert_books_are_clean("2026-04-16T00:30")


@pytest.mark.parametrize("term", ["in_advance", "in_arrears"])
def test_whole_periods_of_another_cadence_are_not_divided_either(term):
    """Fee by the month, support by two weeks, from 1 April on: 1 May is in the middle of the weeks 29 April to 13 May.
    A pause or a new price of the support would charge them twice there; on 24 June (84 days) no month begins."""
    support = flat_card(key="support", name="Support", billing_cadence="P2W", price=fee("10.00", term))
    plan = flat_plan("basic", None, cards=(flat_card(price=fee("30.00")), support), pro_rating_enabled=False)
    subscription = subscribe(plan)
    card = RateCardTerms(
        key="support", name="Support", type="flat_fee", billing_cadence="P2W", price=fee("12.00", term)
    )
    run("2026-04-30")
    with clock.frozen_at(at("2026-04-30")):
        with pytest.raises(NotChangeable, match="one of Support goes on over 2026-05-01"):
            pause_subscription(subscription=subscription, timing="next_billing_cycle")
        with pytest.raises(InvalidInput, match="Whole periods are billed"):
            edit_subscription(subscription=subscription, timing="next_billing_cycle", edits=[AddItem("phase_1", card)])
    run("2026-05-13")
    assert_books_are_clean("2026-05-13T00:30")


def test_where_all_items_begin_a_period_whole_periods_are_paused():
    """Support by the quarter and a monthly fee, from 1 April on: on 1 July both begin anew. Resumed on the 20th: both
    are charged whole, once. May and June were billed together."""
    support = flat_card(key="support", name="Support", billing_cadence="P3M", price=fee("90.00"))
    plan = flat_plan("basic", None, cards=(flat_card(price=fee("30.00")), support), pro_rating_enabled=False)
    subscription = subscribe(plan)
    run("2026-06-30")
    with clock.frozen_at(at("2026-06-30")):
        pause_subscription(subscription=subscription, timing="next_billing_cycle")
    with clock.frozen_at(at("2026-07-20")):
        resume_subscription(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
    assert [total for _, total, _ in invoices()] == ["120.00", "60.00", "120.00"]
    assert_books_are_clean("2026-07-20T00:30")


def test_seats_planned_for_another_day_make_no_document_where_whole_periods_are_billed():
    """Seven seats from the 10th are billed on the 1st, five and two, 70.00; on the 5th they are put off to the 20th,
    which costs the same."""
    plan = flat_plan("basic", "10.00", pro_rating_enabled=False)
    subscription = subscribe(plan, quantities={"base": Decimal(5)}, bill=False)
    item = subscription.items.get()
    with clock.frozen_at(at("2026-04-01")):
        record_quantity(item=item, quantity=Decimal(7), effective_at=at("2026-04-10"))
    run("2026-04-01")
    with clock.frozen_at(at("2026-04-05")):
        record_quantity(item=item, quantity=Decimal(5), effective_at=at("2026-04-05"))
        record_quantity(item=item, quantity=Decimal(7), effective_at=at("2026-04-20"))
    run("2026-04-25")
    assert [total for _, total, _ in invoices()] == ["70.00"]
    assert_books_are_clean("2026-04-25T00:30")


def test_a_cancelation_on_a_day_in_the_middle_of_the_period_gives_back_when_that_day_comes():
    subscription = subscribe(flat_plan("basic", "30.00"))
    result = cancel(subscription, "2026-04-10", timing=at("2026-04-16"))
    # What is to come back is said at once, and booked on the 16th.
    assert figures(result) == ("15.00", "0.00", "0.00", "15.00")
    assert notes() == []
    run("2026-04-16")
    assert notes() == [("CN-000001", "15.00", "15.00", "0.00", "15.00")]
    assert_books_are_clean("2026-04-16T00:30")


def test_a_fee_in_arrears_is_charged_for_the_time_that_was_used():
    plan = flat_plan("basic", "30.00", cards=(flat_card(price=fee("30.00", "in_arrears")),))
    result = cancel(subscribe(plan), "2026-04-16")
    assert lines(result.invoice_ids[0]) == [("Base fee", "15.00")]
    assert (figures(result), notes()) == (("0.00", "15.00", "15.00", "0.00"), [])
    assert_books_are_clean("2026-04-16T00:30")


def test_percentage_discounts_come_back_as_they_were_billed():
    """30.00 less 10 %: 27.00 billed, 13.50 comes back."""
    card = flat_card(name="Basic fee", price=fee("30.00"), discounts={"percentage": {"percentage": 10}})
    subscription = subscribe(flat_plan("basic", "30.00", cards=(card,)))
    result = change(subscription, flat_plan("pro", "90.00"))
    assert lines(result.invoice_ids[0]) == [("Pro fee", "45.00"), ("Unused part: Basic fee", "-13.50")]
    assert figures(result) == ("13.50", "45.00", "31.50", "0.00")
    assert_books_are_clean("2026-04-16T00:30")


def test_changing_there_and_back_in_one_second_costs_nothing():
    basic, pro = flat_plan("basic", "30.00"), flat_plan("pro", "90.00")
    first = subscribe(basic, customer=vat_customer())
    there = change(first, pro)
    change(there.successor, basic)
    # 35.70 of the upgrade was paid, and the same comes back: there is no time of it to pay for.
    assert [total for _, total, _ in invoices()] == ["35.70", "35.70", "0.00"]
    assert notes() == [("CN-000001", "30.00", "35.70", "0.00", "35.70")]
    assert balance() == "35.70"
    run("2026-05-01")
    assert invoices()[-1] == ("INV-000004", "35.70", "0.00")
    assert_books_are_clean("2026-05-01T00:30")


def discounted(off="10", amount="29.90"):
    card = flat_card(name="Basic fee", price=fee(amount), discounts={"percentage": {"percentage": float(off)}})
    return flat_plan("basic", None, cards=(card,))


def test_a_discounted_fee_changed_there_and_back_in_one_second_costs_nothing():
    """29.90 less 2.99 was billed: 26.91. The half of it would be 13.46, but half a month is charged 14.95 less 1.50."""
    basic = discounted()
    first = subscribe(basic)
    there = change(first, flat_plan("pro", "90.00"))
    back = change(there.successor, basic)
    assert lines(there.invoice_ids[0]) == [("Pro fee", "45.00"), ("Unused part: Basic fee", "-13.45")]
    assert lines(back.invoice_ids[0]) == [("Basic fee", "13.45"), ("Unused part: Pro fee", "-13.45")]
    assert [total for _, total, _ in invoices()] == ["26.91", "31.55", "0.00"]
    assert [gross for _, _, gross, _, _ in notes()] == ["31.55"]
    credit = InvoiceLine.objects.get(name="Unused part: Basic fee")
    assert readable(read_explanation(credit.explain)) == [
        "Unused part: Basic fee (2026-04-16 00:00 UTC to 2026-05-01 00:00 UTC): -1 × 26.91 × 15/30 days = -13.46",
        "A charge for the same time comes to 13.45 (Flat fee: 1 × 29.90 × 15/30 days = 14.95, "
        "− 1.50 (10 % discount) = 13.45)",
        "Difference to a charge for the same time: 1 × 0.01 = 0.01",
        "Net: -13.45 EUR",
    ]
    assert_books_are_clean("2026-04-16T00:30")


def test_seats_that_were_added_one_by_one_come_back_as_they_are_charged_again():
    """0.35 a seat: 0.35, then 0.32 for 27 of 30 days and 0.27 for 23. Three seats for half a month are 0.53 (0.525)."""
    plan = flat_plan("basic", None, cards=(flat_card(key="seats", name="Seats", price=fee("0.35")),))
    subscription = subscribe(plan, quantities={"seats": Decimal(1)})
    for on, seats in (("2026-04-04", 2), ("2026-04-08", 3)):
        with clock.frozen_at(at(on)):
            update_item(
                subscription_id=subscription.id,
                running_number=1,
                update=ItemUpdate(product_id="seats", quantity=Decimal(seats), align=True),
            )
    there = change(subscription, flat_plan("pro", None, cards=(flat_card(key="seats", name="Pro", price=fee("9.00")),)))
    change(there.successor, plan)
    assert [total for _, total, _ in invoices()] == ["0.35", "0.32", "0.27", "12.97", "0.00"]
    assert [gross for _, _, gross, _, _ in notes()] == ["12.97"]
    assert_books_are_clean("2026-04-16T00:30")


def test_a_pause_of_one_second_costs_nothing():
    """26.91 was billed, 13.45 comes back and is charged again."""
    subscription = subscribe(discounted())
    for verb in (pause_subscription, resume_subscription):
        with clock.frozen_at(at("2026-04-16")):
            verb(subscription=Subscription.objects.get(pk=subscription.pk), timing="immediate")
            run_due(as_of=at("2026-04-16"))
    assert [total for _, total, _ in invoices()] == ["26.91", "13.45"]
    assert [gross for _, _, gross, _, _ in notes()] == ["13.45"]
    assert_books_are_clean("2026-04-16T00:30")


def test_two_changes_on_one_day_each_pay_for_their_own_time():
    """30.00 until the 16th, 90.00 for twelve hours (1.50), 60.00 for the 14.5 days that are left."""
    first = subscribe(flat_plan("basic", "30.00"))
    second = change(first, flat_plan("pro", "90.00"), "2026-04-16").successor
    result = change(second, flat_plan("mid", "60.00"), "2026-04-16T12:00")
    assert lines(result.invoice_ids[0]) == [("Mid fee", "29.00"), ("Unused part: Pro fee", "-29.00")]
    assert notes() == [("CN-000001", "14.50", "14.50", "0.00", "14.50")]
    assert_books_are_clean("2026-04-16T13:00")


def test_a_change_on_the_boundary_second_gives_back_the_whole_of_what_was_just_billed():
    subscription = subscribe(flat_plan("basic", "30.00"))
    run("2026-05-01")
    result = change(subscription, flat_plan("pro", "90.00"), "2026-05-01")
    assert lines(result.invoice_ids[0]) == [("Pro fee", "90.00"), ("Unused part: Basic fee", "-30.00")]
    assert [total for _, total, _ in invoices()] == ["30.00", "30.00", "60.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_change_on_the_boundary_second_before_the_close_bills_the_new_plan_only():
    subscription = subscribe(flat_plan("basic", "30.00"))
    result = change(subscription, flat_plan("pro", "90.00"), "2026-05-01")
    assert lines(result.invoice_ids[0]) == [("Pro fee", "90.00")]
    assert [total for _, total, _ in invoices()] == ["30.00", "90.00"]
    assert_books_are_clean("2026-05-01T00:30")


def test_a_change_and_then_a_cancelation_give_back_what_each_plan_left_unused():
    first = subscribe(flat_plan("basic", "30.00"))
    second = change(first, flat_plan("pro", "90.00")).successor
    cancel(second, "2026-04-21")
    # Ten of thirty days of 90.00; the fifteen that were billed lost five.
    assert notes() == [("CN-000001", "30.00", "30.00", "0.00", "30.00")]
    assert_books_are_clean("2026-04-21T00:30")


def test_a_credit_that_is_taxed_higher_than_the_new_charges_never_takes_an_invoice_below_zero():
    """90.00 at 19 %, then 100.00 without tax: 45.00 are worth 53.55, of which 50.00 can't take more than 49.98."""
    customer = vat_customer()
    subscription = subscribe(flat_plan("pro", "90.00"), customer=customer)
    Customer.objects.filter(pk=customer.pk).update(country="US")
    result = change(subscription, flat_plan("max", "100.00"))
    assert lines(result.invoice_ids[0]) == [("Max fee", "50.00"), ("Unused part: Pro fee", "-42.00")]
    assert invoices()[-1][1] == "0.02"
    assert notes() == [("CN-000001", "3.00", "3.57", "0.00", "3.57")]
    assert_books_are_clean("2026-04-16T00:30")


def test_a_credit_at_an_older_rate_sets_off_new_charges_at_another():
    """30.00 at 19 %, then 90.00 at 7 %: 45.00 + 3.15 - 15.00 - 2.85 = 30.30."""
    customer = vat_customer()
    subscription = subscribe(flat_plan("basic", "30.00"), customer=customer)
    TaxRate.objects.create(country="FR", rate=Decimal(7), name="TVA", valid_from=at("2020-01-01"))
    Customer.objects.filter(pk=customer.pk).update(country="FR")
    result = change(subscription, flat_plan("pro", "90.00"))
    assert lines(result.invoice_ids[0]) == [("Pro fee", "45.00"), ("Unused part: Basic fee", "-15.00")]
    assert (invoices()[-1][1], notes()) == ("30.30", [])
    assert_books_are_clean("2026-04-16T00:30")


BREAKS = {
    "4: a credit came twice": (
        "UPDATE invoicing_creditnoteline SET amount = amount + 50, total = total + 50",
        "4. Parts add up",
        "it charged 90 net, but 95 came back",
    ),
    "6: a balance has no entry": (
        "UPDATE invoicing_balanceentry SET amount = 1 WHERE kind = 'credit_note'",
        "6. Balances are the sums",
        "Credit note CN-000001: it moved 30 to the customer's balance; the ledger says 1.",
    ),
    "6: a balance is overdrawn": (
        "UPDATE invoicing_balanceentry SET amount = -1 WHERE kind = 'credit_note'",
        "6. Balances are the sums",
        "Customer Acme (acme): their balance is overdrawn: -1 EUR.",
    ),
    "5: a credit note's number is misprinted": (
        "UPDATE invoicing_creditnote SET number = 'CN-7'",
        "5. Series have no gap",
        "Credit note CN-7 of Acme (acme): its number should be CN-000001, found CN-7.",
    ),
    "7: an invoice forgets its credit note": (
        "UPDATE invoicing_invoice SET credited = 0, moved_to_balance = 0 WHERE number = 'INV-000001'",
        "7. The money of every invoice",
        "it says that 0 is credited; its credit notes come to 30",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_books_show_what_is_wrong_with_credits(name):
    sql, invariant, said = BREAKS[name]
    change(subscribe(flat_plan("pro", "90.00")), flat_plan("basic", "30.00"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")
    code, report = run_check(now="2026-04-16T00:30")
    assert code == 1
    assert invariant in report
    assert said in report


@pytest.mark.parametrize("stop", [cancel_subscription, pause_subscription])
def test_the_rest_of_an_extended_period_comes_back_at_once_too(stop):
    """5 seats at 10.00 from 1 April, 8 from the 16th, extended to 16 May: 50.00, 15.00 and 40.00 for the extra 15 days.
    Stopped on the 21st: 10 of 30 days of 50.00, 10 of 15 of 15.00, and the 40.00."""
    subscription = subscribe(flat_plan("team", "10.00"), quantities={"base": Decimal(5)})
    with clock.frozen_at(at("2026-04-16")):
        extended = ItemUpdate(product_id="base", quantity=Decimal(8), align=True, extend=True)
        update_item(subscription_id=subscription.id, running_number=1, update=extended)
    with clock.frozen_at(at("2026-04-21")):
        result = stop(subscription=subscription, timing="immediate")
    assert money(result.credit_note_total) == "66.67"
    assert balance() == "66.67"
    assert_books_are_clean("2026-04-21")
    run("2026-05-20")
    assert balance() == "66.67"


def test_an_end_that_is_taken_back_leaves_the_whole_period_billed_once():
    """30.00 a month, to end on 16 April: 15.00. Runs on after all: 15.00 more. Two seats from the 16th: 15.00."""
    subscription = subscribe(flat_plan("team", "30.00"), bill=False)
    cancel(subscription, "2026-04-01", timing=at("2026-04-16"))
    run("2026-04-01")
    with clock.frozen_at(at("2026-04-05")):
        unschedule_cancelation(subscription=Subscription.objects.get(pk=subscription.pk))
    run("2026-04-05")
    assert_books_are_clean("2026-04-05")
    with clock.frozen_at(at("2026-04-16")):
        seats = ItemUpdate(product_id="base", quantity=Decimal(2), align=True)
        update_item(subscription_id=subscription.id, running_number=1, update=seats)
    assert [total for _, total, _ in invoices()] == ["15.00", "15.00", "15.00"]
    assert_books_are_clean("2026-04-16")


def test_whole_periods_are_billed_by_one_plan_also_on_the_second_of_a_boundary():
    """Without proration: 30.00 for May are billed when the change is made, on that second. All of it comes back."""
    subscription = subscribe(flat_plan("basic", "30.00", pro_rating_enabled=False))
    run("2026-05-01")
    result = change(subscription, flat_plan("pro", "90.00", pro_rating_enabled=False), "2026-05-01")
    assert lines(result.invoice_ids[0]) == [("Pro fee", "90.00"), ("Unused part: Basic fee", "-30.00")]
    assert_books_are_clean("2026-05-01")
