"""Collection on a fixed rhythm: what falls due waits for the next anchor moment, and is invoiced together then (billing
rules 5)."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection

from billing_site.backoffice.admin.customer_standing import next_invoice
from core import clock
from customers.models import BillingProfile, Customer, CustomerOverride, Supplier
from customers.services.customer_input import CustomerInput
from customers.services.record_own_settings import record_own_settings
from invoicing.closing.park_customer import park_customers
from invoicing.customer_guards.delete_customer import delete_customer
from invoicing.customer_guards.open_business import with_open_business
from invoicing.customer_guards.update_customer import update_customer
from invoicing.errors import CannotBill, OpenBusiness
from invoicing.gathering.invoice_pending_lines import invoice_pending_lines
from invoicing.gathering.sync import sync_customers
from invoicing.models import BillingDue, CreditNote, Invoice, InvoiceLine, ParkedCustomer
from invoicing.parking.release_customer import release_customer
from invoicing.previews.preview_customers import preview_customer, preview_next_bill
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.make_default_profile import customers_kept
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pin_customer import pin_customer
from invoicing.profile_moves.preview_move import preview_move
from invoicing.runs.advance_clock import next_moment
from invoicing.runs.run_due import run_due
from invoicing.subscription_changes.cancel_subscription import cancel_subscription
from invoicing.subscription_changes.preview_start import preview_start
from invoicing.subscription_changes.update_item import update_item
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.mark_for_billing import mark_for_billing
from subscriptions.models import Subscription
from tests.services.outlooks import Books, foreseen, live
from tests.support.catalog import fee, flat_card, flat_plan, make_plan
from tests.support.clock import at
from tests.support.closing import run
from tests.support.customers import enterprise, make_customer, make_default_profile
from tests.support.invoices import money
from tests.support.subscriptions import change, do, subscribe

pytestmark = pytest.mark.django_db

MONTHLY = {
    "collection_alignment": "anchored",
    "collection_cadence": "P1M",
    "collection_anchor": at("2026-01-01"),
}
AS_DUE = {"collection_alignment": "subscription"}


def two_subscriptions(**profile):
    """30.00 a month from 3 April on and 20.00 a month from 17 April on, both in advance. Nothing is collected yet."""
    make_default_profile(**(MONTHLY | profile))
    first = subscribe(flat_plan("basic", "30.00"), "2026-04-03")
    subscribe(flat_plan("extra", "20.00", cards=(flat_card(key="extra", price=fee("20.00")),)), "2026-04-17")
    return first.customer


def invoiced():
    """The documents by day: their totals, and of what."""
    invoices = Invoice.objects.filter(issued_at__isnull=False).order_by("issued_at")
    return [(f"{each.issued_at:%Y-%m-%d}", money(each.total)) for each in invoices]


def due_at():
    return BillingDue.objects.get().due_at


def test_two_subscriptions_are_collected_together_on_the_first_of_the_next_month():
    two_subscriptions()
    assert (invoiced(), due_at()) == ([], at("2026-05-01"))
    assert next_moment(after=at("2026-04-17")) == at("2026-05-01")
    run("2026-04-30")
    assert invoiced() == []
    run("2026-05-01")
    assert invoiced() == [("2026-05-01", "50.00")]
    lines = InvoiceLine.objects.filter(invoice__issued_at__isnull=False).order_by("invoice_at")
    assert [(line.invoice_at, money(line.total)) for line in lines] == [
        (at("2026-04-03"), "30.00"),
        (at("2026-04-17"), "20.00"),
    ]
    # On 3 May the fee of June begins to wait, on 17 May the other one; what falls due then is collected on 1 June.
    assert due_at() == at("2026-05-03")
    run("2026-05-03")
    assert due_at() == at("2026-05-17")
    run("2026-05-17")
    assert due_at() == at("2026-06-01")
    run("2026-06-01")
    assert invoiced() == [("2026-05-01", "50.00"), ("2026-06-01", "50.00")]


def test_a_second_look_bills_nothing_and_leaves_the_row_as_it_is():
    two_subscriptions()
    run("2026-05-01")
    run("2026-05-17")
    [row] = BillingDue.objects.values()
    Subscription.objects.update(updated_at=clock.now())
    assert due_at() == at("2026-05-03")
    run("2026-05-20")
    assert BillingDue.objects.values().get() == row
    assert invoiced() == [("2026-05-01", "50.00")]


def test_what_falls_due_at_the_anchor_is_taken_with_it_and_a_late_run_takes_no_more():
    make_default_profile(**MONTHLY)
    subscribe(flat_plan("basic", "30.00"), "2026-04-03")
    customer = Customer.objects.get()
    at_anchor = flat_plan("other", "7.00", cards=(flat_card(key="other", price=fee("7.00")),))
    behind = flat_plan("late", "5.00", cards=(flat_card(key="late", price=fee("5.00")),))
    subscribe(at_anchor, "2026-05-01", customer=customer, bill=False)
    subscribe(behind, "2026-05-02", customer=customer, bill=False)
    run("2026-05-02")
    assert invoiced() == [("2026-05-02", "37.00")]
    run("2026-05-04")
    assert due_at() == at("2026-06-01")


def test_three_months_are_collected_once_a_quarter():
    make_default_profile(**(MONTHLY | {"collection_cadence": "P3M"}))
    subscribe(flat_plan("basic", "30.00"), "2026-04-03")
    run("2026-05-03")
    run("2026-06-03")
    # What waits is complete at any time.
    waiting = InvoiceLine.objects.order_by("invoice_at").values_list("invoice_at", flat=True)
    assert list(waiting) == [at("2026-04-03"), at("2026-05-03"), at("2026-06-03"), at("2026-07-03")]
    run("2026-07-01")
    assert invoiced() == [("2026-07-01", "90.00")]
    assert InvoiceLine.objects.filter(invoice__issued_at__isnull=False).count() == 3


def test_an_anchor_on_the_31st_collects_on_the_last_of_each_month_of_the_customers_calendar():
    make_default_profile(**(MONTHLY | {"collection_anchor": at("2026-01-30T23:00")}))
    customer = make_customer(time_zone="Europe/Berlin")
    subscribe(flat_plan("basic", "30.00"), "2026-02-10", customer=customer)
    # Midnight in Berlin: the last of February by the wall clock, and of March in summer time.
    assert due_at() == at("2026-02-27T23:00")
    run("2026-02-27T23:00")
    assert invoiced() == [("2026-02-27", "30.00")]
    run("2026-03-10")
    assert due_at() == at("2026-03-30T22:00")


def test_a_preview_shows_what_follows_on_its_day():
    customer = two_subscriptions()
    with clock.frozen_at(at("2026-04-20")):
        outlook = preview_customer(customer_id=customer.pk, until=at("2026-06-15"))
    shown = [(f"{each.at:%Y-%m-%d}", money(each.total)) for each in outlook.documents]
    assert shown == [("2026-05-01", "50.00"), ("2026-06-01", "50.00")]
    books = Books()
    live(at("2026-04-20"), at("2026-06-15"))
    assert foreseen(outlook) == books.made_since()


def test_the_books_are_in_order_while_lines_wait():
    two_subscriptions()
    with clock.frozen_at(at("2026-04-29")):
        call_command("check_books")
    for day in ("2026-05-01", "2026-05-03", "2026-05-17"):
        run(day)
    with clock.frozen_at(at("2026-05-29")):
        call_command("check_books")


def test_a_row_behind_the_rhythm_is_found_in_the_books(capsys):
    two_subscriptions()
    BillingDue.objects.update(due_at=at("2026-05-02"))
    with clock.frozen_at(at("2026-04-29")), pytest.raises(SystemExit):
        call_command("check_books", "--only", "10")
    assert "it is to be looked at on 2026-05-01 00:00 UTC, but its customer is due only on 2026-05-02" in (
        capsys.readouterr().out
    )


def by_profile(customer):
    make_default_profile(**AS_DUE)


def by_sql(customer):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_billingprofile SET collection_alignment = 'subscription'")


def by_override(customer):
    record_own_settings(customer=customer, workflow=AS_DUE)


def by_pin(customer):
    pin_customer(customer=customer, profile=enterprise(), reason="Their wish")


def by_bulk_pin(customer):
    CustomerOverride.objects.bulk_create([CustomerOverride(customer=customer, billing_profile=enterprise())])


def by_default(customer):
    switch_default(profile=enterprise())


@pytest.mark.parametrize("end_rhythm", [by_profile, by_sql, by_override, by_pin, by_bulk_pin, by_default])
def test_who_is_no_more_collected_on_a_rhythm_is_billed_at_once_by_the_next_run(end_rhythm):
    customer = two_subscriptions()
    with clock.frozen_at(at("2026-04-20")):
        end_rhythm(customer)
    assert due_at() == at("2026-04-03")
    run("2026-04-20")
    assert invoiced() == [("2026-04-20", "50.00")]
    assert due_at() == at("2026-05-03")


def test_an_override_that_is_deleted_leaves_the_profile_to_say():
    customer = two_subscriptions(**AS_DUE)
    assert invoiced() == [("2026-04-03", "30.00"), ("2026-04-17", "20.00")]
    override = CustomerOverride.objects.create(customer=customer, **MONTHLY)
    run("2026-05-03")
    assert due_at() == at("2026-05-17")
    override.delete()
    assert due_at() == at("2026-05-03")
    run("2026-05-04")
    assert invoiced()[2:] == [("2026-05-04", "30.00")]


def test_another_rhythm_counts_for_what_waits_already():
    two_subscriptions()
    BillingProfile.objects.update(collection_anchor=at("2026-01-25"))
    run("2026-04-20")
    assert (invoiced(), due_at()) == ([], at("2026-04-25"))
    run("2026-04-25")
    assert invoiced() == [("2026-04-25", "50.00")]


def test_others_are_not_looked_at_where_a_profile_changes_that_is_not_theirs():
    customer = two_subscriptions()
    other = enterprise(**MONTHLY)
    BillingProfile.objects.filter(pk=other.pk).update(**AS_DUE)
    BillingProfile.objects.filter(is_default=True).update(due_after="P9D")
    assert due_at() == at("2026-05-01")
    Customer.objects.filter(pk=customer.pk).update(time_zone="Europe/Berlin")
    assert due_at() == at("2026-04-03")


def test_pending_lines_are_invoiced_on_demand():
    customer = two_subscriptions()
    with clock.frozen_at(at("2026-04-18")):
        invoice_pending_lines(customer=customer)
    assert (invoiced(), due_at()) == ([("2026-04-18", "50.00")], at("2026-05-03"))


def test_a_change_is_billed_at_once_and_what_waited_waits_on():
    """30.00 from 3 April on waits; the change on 18 April leaves half of it, and bills 15 of 30 days of 90.00."""
    make_default_profile(**MONTHLY)
    subscription = subscribe(flat_plan("basic", "30.00"), "2026-04-03")
    result = change(subscription, flat_plan("pro", "90.00"), "2026-04-18")
    assert (money(result.charge_amount), money(result.due_now), result.next_billing_at) == (
        "45.00",
        "45.00",
        at("2026-05-01"),
    )
    assert (money(result.next_amount), invoiced()) == ("15.00", [("2026-04-18", "45.00")])
    run("2026-05-01")
    assert invoiced() == [("2026-04-18", "45.00"), ("2026-05-01", "15.00")]


def test_an_aligned_update_is_billed_at_once():
    """5 seats of 10.00 from 1 April on, collected then; 3 more for 15 of 30 days are 15.00."""
    make_default_profile(**MONTHLY)
    card = flat_card(key="seats", name="Seats", price=fee("10.00"))
    subscription = subscribe(make_plan(cards=(card,)), "2026-04-01", quantities={"seats": 5})
    assert invoiced() == [("2026-04-01", "50.00")]
    with clock.frozen_at(at("2026-04-16")):
        update = ItemUpdate(product_id="seats", quantity=Decimal(8), align=True)
        result = update_item(subscription_id=subscription.pk, running_number=1, update=update)
    assert (money(result.due_now), result.next_billing_at, money(result.next_amount)) == (
        "15.00",
        at("2026-05-01"),
        "80.00",
    )


def test_what_a_cancelation_gives_back_comes_with_the_next_collection():
    """90.00 for the 91 days from 3 April on are collected on 1 May. 45 of them are used up to 18 May: 45.49 come back,
    on 1 June."""
    make_default_profile(**MONTHLY)
    cards = (flat_card(name="Basic fee", price=fee("90.00"), billing_cadence="P3M"),)
    subscription = subscribe(flat_plan("basic", None, cards=cards), "2026-04-03")
    run("2026-05-01")
    for preview in (True, False):
        result = do(cancel_subscription, subscription, "2026-05-18", preview=preview)
        assert (money(result.credit_amount), money(result.due_now), result.next_billing_at) == (
            "45.49",
            "0.00",
            at("2026-06-01"),
        )
    assert not CreditNote.objects.exists()
    with clock.frozen_at(at("2026-05-20")):
        call_command("check_books")
    run("2026-05-31")
    assert not CreditNote.objects.exists()
    run("2026-06-01")
    note = CreditNote.objects.get()
    assert (money(note.total), f"{note.issued_at:%Y-%m-%d}") == ("45.49", "2026-06-01")
    assert not BillingDue.objects.exists()


def test_what_waits_of_an_ended_subscription_is_open_business_until_it_is_collected():
    """45.49 come back on 1 June, of what ended on 18 May and is paid: no line waits, and nothing runs any more."""
    profile = make_default_profile(**MONTHLY)
    cards = (flat_card(name="Basic fee", price=fee("90.00"), billing_cadence="P3M"),)
    subscription = subscribe(flat_plan("basic", None, cards=cards), "2026-04-03")
    run("2026-05-01")
    customer = subscription.customer
    do(cancel_subscription, subscription, "2026-05-18")
    other = enterprise(supplier=Supplier.objects.create(name="Other", invoice_prefix="ALT", credit_note_prefix="ALTCN"))
    in_usd = CustomerInput(name="Acme", key="acme", currency="USD")
    with clock.frozen_at(at("2026-05-20")):
        assert (customers_kept(other), with_open_business(profile)) == (1, 1)
        with pytest.raises(OpenBusiness, match="has charges or credits of ended subscriptions that are yet to be inv"):
            delete_customer(customer=customer)
        with pytest.raises(OpenBusiness, match="the currency can't change now"):
            update_customer(customer=customer, replacement=in_usd)
    run("2026-06-01")
    with clock.frozen_at(at("2026-06-01")):
        assert (customers_kept(other), with_open_business(profile)) == (0, 0)
        update_customer(customer=customer, replacement=in_usd)
        assert delete_customer(customer=customer).deleted_at is not None


def test_a_switch_to_another_supplier_pins_who_is_yet_to_be_billed_for_a_last_month():
    """20.00 for each month from 3 April on, ended on 5 April: they wait until 1 May, and are the old supplier's."""
    old = make_default_profile(**MONTHLY)
    do(cancel_subscription, subscribe(flat_plan("extra", "20.00"), "2026-04-03"), "2026-04-05", preview=False)
    other = enterprise(supplier=Supplier.objects.create(name="Other", invoice_prefix="ALT", credit_note_prefix="ALTCN"))
    with clock.frozen_at(at("2026-04-20")):
        assert switch_default(profile=other) == 1
    run("2026-05-01")
    invoice = Invoice.objects.get(issued_at__isnull=False)
    assert (invoice.profile, invoice.supplier, money(invoice.total)) == (old, old.supplier, "1.33")


def test_a_new_subscription_says_when_it_is_billed_first():
    make_default_profile(**MONTHLY)
    customer, plan = make_customer(), flat_plan("basic", "30.00")
    with clock.frozen_at(at("2026-04-03")):
        result = preview_start(customer=customer, plan=plan, active_from=at("2026-04-03"))
    assert (money(result.due_now), result.next_billing_at, money(result.next_amount)) == (
        "0.00",
        at("2026-05-01"),
        "30.00",
    )
    assert [f"{each.at:%Y-%m-%d}" for each in result.outlook.documents] == ["2026-05-01", "2026-06-01"]


def test_a_release_bills_what_was_to_be_collected_meanwhile():
    customer = two_subscriptions()
    park_customers({customer.pk: CannotBill("No price.", code="no_price")}, run_id=None)
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-10")):
        release_customer(parked=ParkedCustomer.objects.get(), reason="Mended")
    run("2026-05-10")
    # What fell due on 3 May waits for 1 June.
    assert (invoiced(), due_at()) == ([("2026-05-10", "50.00")], at("2026-05-17"))
    run("2026-05-17")
    assert due_at() == at("2026-06-01")


def test_the_next_bill_is_that_of_the_next_collection():
    customer = two_subscriptions()
    run("2026-05-01")
    with clock.frozen_at(at("2026-05-02")):
        outlook = preview_next_bill(customer_id=customer.pk)
        shown = next_invoice(customer)
    assert [(f"{each.at:%Y-%m-%d}", money(each.total)) for each in outlook.documents] == [("2026-06-01", "50.00")]
    assert (shown.at, shown.problem) == (at("2026-06-01"), "")


def test_a_move_to_a_rhythm_shows_when_the_next_invoice_is_made_on_either_side():
    make_default_profile()
    customer = subscribe(flat_plan("basic", "30.00"), "2026-04-03").customer
    migration = draft_migration(
        from_profile=BillingProfile.objects.get(is_default=True), to_profile=enterprise(**MONTHLY), criteria={}
    )
    with clock.frozen_at(at("2026-04-20")):
        [impact] = preview_move(migration=migration, customer_ids=[customer.pk])
    assert [(side.issue_at, money(side.total)) for side in (impact.before, impact.after)] == [
        (at("2026-05-03"), "30.00"),
        (at("2026-06-01"), "30.00"),
    ]


def waiting_lines():
    """What waits on gathering invoices: each line's id and start, in order of time."""
    lines = InvoiceLine.objects.filter(invoice__status="gathering", deleted_at=None).order_by("period_start")
    return [(line.id, f"{line.period_start:%m-%d}") for line in lines]


@pytest.mark.parametrize("by", ["on demand", "run"])
def test_billing_up_to_a_time_in_the_past_leaves_what_waits_since_then(by):
    """Collected by the quarter, April, May and June of a monthly fee have fallen due, and July's waits. April alone is
    billed, as of a day in April; the others keep their lines, and wait on."""
    make_default_profile(**(MONTHLY | {"collection_cadence": "P3M"}))
    customer = subscribe(flat_plan("basic", "30.00"), "2026-04-03").customer
    for day in ("2026-05-03", "2026-06-03"):
        run(day)
    assert [start for _, start in waiting_lines()] == ["04-03", "05-03", "06-03", "07-03"]
    before = waiting_lines()
    with clock.frozen_at(at("2026-06-10")):
        if by == "on demand":
            invoice_pending_lines(customer=customer, as_of=at("2026-04-05"))
        else:
            BillingProfile.objects.update(**AS_DUE)
            run_due(as_of=at("2026-04-05"))
    assert invoiced() == [("2026-06-10", "30.00")]
    assert waiting_lines() == before[1:]
    if by == "on demand":
        run("2026-06-11")
        assert (waiting_lines(), due_at()) == (before[1:], at("2026-07-01"))


def test_facts_that_change_twice_in_one_moment_are_looked_at_twice():
    """A test clock stands still between two acts: nothing of the subscription tells the second from the first."""
    customer = two_subscriptions()
    subscription = Subscription.objects.earliest("active_from")
    with clock.frozen_at(at("2026-04-20")):
        for _ in range(2):
            mark_for_billing(subscription=subscription, changed_from=at("2026-04-03"))
            assert due_at() == at("2026-04-03")
            sync_customers([customer.pk], as_of=at("2026-04-20"))
            assert due_at() == at("2026-05-01")
