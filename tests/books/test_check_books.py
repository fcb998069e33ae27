"""`manage.py check_books` finds what is broken, each invariant broken on purpose by SQL (billing rules 13)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg.types.range import TimestamptzRange

from core import clock
from entitlements.metering.reverse_event import reverse_event
from entitlements.models import EventReversal, UsageEvent, UsageEventKey
from invoicing.books.check import one_snapshot
from invoicing.choices import InvoiceStatus
from invoicing.models import BilledWindow, Invoice, ParkedCustomer
from invoicing.runs.start_run import start_run
from subscriptions.models import Subscription
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.company import Company
from tests.support.customers import make_customer

pytestmark = pytest.mark.django_db

LAST_CLOSE = "2026-03-05"


def break_by(sql, *parameters):
    """Change stored rows past the guards; something must have been there to change."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, parameters)
        assert cursor.rowcount > 0
        cursor.execute("SET LOCAL session_replication_role = origin")


def drop_constraint(table, name):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


@pytest.fixture(scope="module")
def company(django_db_setup, django_db_blocker):
    """Acme pays at once, Globex reports its excess, the bank customer's draft of 5 March waits for its usage.

    Made once: each test's own transaction lies within this one, and undoes what it did.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield _company()
        transaction.set_rollback(True)


def _company():
    with clock.frozen_at(at("2025-12-01")):
        company = Company()
    company.join("acme", company.team, "2026-01-01", seats=5)
    company.join("globex", company.excess, "2026-01-05")
    company.join("bank", company.team, "2026-01-05", pinned=True)
    company.use("acme", "2026-02-11", "37.5")
    company.report("globex", "2026-02-01", "200")
    company.live(map(at, ("2026-01-01", "2026-01-05", "2026-01-06", "2026-02-01", "2026-02-05", "2026-02-07")))
    company.live(map(at, ("2026-03-01", LAST_CLOSE)))
    code, said = run_check()
    assert code == 0, said
    return company


ACME = "SELECT i.id FROM subscriptions_subscriptionitem i JOIN subscriptions_subscription s ON s.id = i.subscription_id"
ACME += " JOIN customers_customer c ON c.id = s.customer_id WHERE c.key = 'acme' AND i.key = 'seats'"
FEBRUARY = f"item_id = ({ACME}) AND lower(span) = '2026-02-01Z'"

BREAKS = {
    "1: a window is gone": (
        f"UPDATE invoicing_billedwindow SET invoice_id = NULL, kind = 'waiver', item_id = gen_random_uuid() "
        f"WHERE {FEBRUARY}",
        "1. Settled windows tile",
        "Item 1 (seats) of Acme (acme): nothing bills from 2026-02-01 00:00:00 UTC to 2026-03-01 00:00:00 UTC",
    ),
    "1: a charge has no window": (
        f"DELETE FROM invoicing_billedwindow WHERE {FEBRUARY}",
        "1. Settled windows tile",
        "its line Seats bills from 2026-02-01 00:00:00 UTC to 2026-03-01 00:00:00 UTC, but no settled window says so",
    ),
    "1: a window is cut short": (
        f"UPDATE invoicing_billedwindow SET span = '[2026-02-01Z,2026-02-20Z)' WHERE {FEBRUARY}",
        "1. Settled windows tile",
        "its window from 2026-02-01 00:00:00 UTC ends on 2026-02-20 00:00:00 UTC; expected 2026-03-01 00:00:00 UTC",
    ),
    "1: a window lies elsewhere": (
        f"UPDATE invoicing_billedwindow SET span = '[2026-02-02Z,2026-03-01Z)' WHERE {FEBRUARY}",
        "1. Settled windows tile",
        "its settled window from 2026-02-02 00:00:00 UTC to 2026-03-01 00:00:00 UTC is none of its periods",
    ),
    "2: a quantity was changed in the past": (
        f"INSERT INTO subscriptions_quantitychange (id, item_id, effective_at, quantity, action, recorded_at) "
        f"SELECT gen_random_uuid(), ({ACME}), '2026-02-01Z', 6, 'update', '2026-02-01Z'",
        "2. A second close writes nothing",
        "was billed 9.99 EUR too little: a close would bill it",
    ),
    "2: a price was changed in place": (
        "UPDATE subscriptions_subscription SET billing_anchor = billing_anchor + interval '3 days'",
        "2. A second close writes nothing",
        "a close would",
    ),
    "3: an issued line says something else": (
        "UPDATE invoicing_invoiceline SET name = 'Chairs' FROM invoicing_invoice i "
        "WHERE i.id = invoice_id AND i.number = 'INV-000003' AND name = 'Seats'",
        "3. Issued invoices are unchanged",
        "Invoice INV-000003 of Acme (acme): it is not what was issued: expected the fingerprint",
    ),
    "3: an explanation does not give its amount": (
        "UPDATE invoicing_invoiceline SET explain = jsonb_set(explain, '{components,0,quantity}', '\"6\"') "
        "FROM invoicing_invoice i WHERE i.id = invoice_id AND i.number = 'INV-000003' AND name = 'Seats'",
        "3. Issued invoices are unchanged",
        "INV-000003 of Acme (acme), line Seats: computed again its amount is 59.94; it says 49.95",
    ),
    "4: a detail is lost": (
        "DELETE FROM invoicing_invoicedetailedline d USING invoicing_invoiceline l, invoicing_invoice i "
        "WHERE l.id = d.line_id AND i.id = l.invoice_id AND i.number = 'INV-000001'",
        "4. Parts add up",
        "line Seats: its amount is 49.95, but its details add up to 0",
    ),
    "4: a draft's total is wrong": (
        "UPDATE invoicing_invoice SET amount = amount + 1, total = total + 1, due = due + 1 "
        "WHERE status LIKE 'draft%%'",
        "4. Parts add up",
        "but its lines add up to",
    ),
    "5: a number is missing": (
        "UPDATE invoicing_invoice SET sequence = 90, number = 'INV-000090' WHERE number = 'INV-000002'",
        "5. Series have no gap",
        "Series INV: INV-000002 is missing before INV-000003",
    ),
    "5: a number is misprinted": (
        "UPDATE invoicing_invoice SET number = 'INV-2' WHERE number = 'INV-000002'",
        "5. Series have no gap",
        "its number should be INV-000002, found INV-2",
    ),
    "5: a date goes back": (
        "UPDATE invoicing_invoice SET issued_at = '2026-01-02Z' WHERE number = 'INV-000003'",
        "5. Series have no gap",
        "before the one with the number before it",
    ),
    "5: the counter is off": (
        "UPDATE invoicing_numberseries SET next_number = next_number + 1 WHERE prefix = 'INV'",
        "5. Series have no gap",
        "Series INV: its next number is 8; expected 7",
    ),
    "7: credited without a credit note": (
        "UPDATE invoicing_invoice SET credited = 7, moved_to_balance = 7 WHERE number = 'INV-000001'",
        "7. The money of every invoice",
        "it says that 7 is credited; its credit notes come to 0",
    ),
    "7: moved to the balance by nothing": (
        "UPDATE invoicing_invoice SET refunded = -3, moved_to_balance = 3 WHERE number = 'INV-000001'",
        "7. The money of every invoice",
        "it says that -3 is refunded; its refunds come to 0",
    ),
    "7: written off without a reason": (
        "UPDATE invoicing_invoice SET written_off = 9, due = -9 WHERE number = 'INV-000001'",
        "7. The money of every invoice",
        "it says that 9 is written off; its write-offs come to 0",
    ),
    "7: an overpayment that the balance does not know": (
        "UPDATE invoicing_payment p SET to_balance = 1 FROM invoicing_invoice i "
        "WHERE p.invoice_id = i.id AND i.number = 'INV-000001'",
        "7. The money of every invoice",
        "1 of its payments was too much; the balance's ledger has 0 of it",
    ),
    "7: a payment is gone": (
        "DELETE FROM invoicing_payment p USING invoicing_invoice i "
        "WHERE i.id = p.invoice_id AND i.number = 'INV-000001'",
        "7. The money of every invoice",
        "it says that 49.95 is paid; its payments come to 0",
    ),
    "7: something is due on a paid invoice": (
        "UPDATE invoicing_invoice SET status = 'issued' WHERE number = 'INV-000001'",
        "7. The money of every invoice",
        "nothing is due, but it is not paid: issued",
    ),
    "8: an event is gone": (
        "DELETE FROM entitlements_usageevent WHERE subject = 'acme'",
        "8. Usage is billed, waived, open or late",
        "line Calls: it was billed for 37.5; its events come to 0",
    ),
    "10: a customer was forgotten": (
        "DELETE FROM invoicing_billingdue",
        "10. Nothing is past due",
        "it is to be looked at on 2026-04-05 00:00 UTC, but its customer is due never",
    ),
    "10: a customer is due too late": (
        "UPDATE invoicing_billingdue SET due_at = '2026-04-06'",
        "10. Nothing is past due",
        "it is to be looked at on 2026-04-05 00:00 UTC, but its customer is due only on 2026-04-06 00:00 UTC",
    ),
    "10: a subscription was forgotten": (
        "UPDATE subscriptions_subscription SET next_billing_at = NULL WHERE name = 'Storage'",
        "10. Nothing is past due",
        "due on 2026-04-05 00:00 UTC, but its next billing is never",
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_invariant_is_found(company, broken):
    sql, invariant, problem = BREAKS[broken]
    break_by(sql)
    code, said = run_check()
    assert code == 1, said
    assert f"Broken: {invariant}" in said
    assert problem in said
    assert "To do: " in said


def test_overlapping_windows_are_found(company):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER apart_on_insert ON invoicing_billedwindow")
    window = BilledWindow.objects.filter(kind="charge").first()
    from_the_second_day = TimestamptzRange(window.span.lower + timedelta(days=1), window.span.upper, "[)")
    BilledWindow.objects.create(item=window.item, span=from_the_second_day, kind="waiver")
    code, said = run_check("--only", "1")
    assert (code, "overlaps an earlier one" in said) == (1, True), said


def test_the_payment_identity_is_checked_without_the_databases_own_constraint(company):
    drop_constraint("invoicing_invoice", "payment_identity")
    break_by("UPDATE invoicing_invoice SET due = 7 WHERE number = 'INV-000001'")
    code, said = run_check("--only", "7")
    assert (code, "49.95 was to be settled, but its columns account for 56.95" in said) == (1, True), said


def test_a_numbered_draft_is_found(company):
    drop_constraint("invoicing_invoice", "numbered_exactly_when_issued")
    break_by("UPDATE invoicing_invoice SET number = 'INV-000099' WHERE status LIKE 'draft%%'")
    code, said = run_check("--only", "5")
    assert (code, "it is not issued, but has a number" in said) == (1, True), said


def test_who_is_past_due_is_found_after_the_grace(company):
    overdue = "Customer Acme (acme): they have been due in EUR since 2026-04-01 00:00 UTC; expected an invoice, a run"
    assert overdue not in run_check(now="2026-04-01T00:10")[1]
    code, said = run_check(now="2026-04-01T00:20")
    assert (code, overdue in said) == (1, True), said
    assert overdue not in run_check("--grace", "30", now="2026-04-01T00:20")[1]


def test_a_parked_customer_and_one_in_a_run_are_not_past_due(company):
    acme = Subscription.objects.get(customer__key="acme").customer
    globex = Subscription.objects.get(customer__key="globex").customer
    with clock.frozen_at(at("2026-04-05")):
        ParkedCustomer.objects.create(customer=acme, cause_code="no_price", cause="Seats has no price.")
    with clock.frozen_at(at("2026-04-05T00:20")):
        start_run(as_of=at("2026-04-05"), trigger="schedule", customer_ids=[globex.id])
    code, said = run_check(now="2026-04-05T00:20")
    assert code == 1
    assert "Customer Bank (bank): they have been due" in said
    assert "Customer Acme" not in said
    assert "Customer Globex" not in said


def test_a_draft_left_lying_is_found(company):
    assert Invoice.objects.filter(status=InvoiceStatus.DRAFT_WAITING_FOR_COLLECTION).exists()
    code, said = run_check("--only", "10", now="2026-03-05T02:00")
    assert code == 1
    assert "of Bank (bank): this draft's next step has been due for longer than the grace" in said


def test_late_usage_breaks_nothing_and_is_to_be_decided(company):
    company.use("acme", "2026-02-12", "1")
    company.acts = [(at("2026-03-05"), act) for _, act in company.acts]
    with clock.frozen_at(at("2026-03-05")):
        company.live([])
    code, said = run_check()
    assert code == 2, said
    assert "To decide: 8. Usage is billed, waived, open or late" in said
    assert "late usage of 1 from 2026-02-01 00:00 to 2026-03-01 00:00 UTC: billed for 37.5 on Invoice" in said
    assert "it comes to 38.5 now, by 1 more events" in said
    assert "The books are right; 1 findings are to be decided." in said


def test_a_reversed_event_of_a_billed_window_is_late_usage_to_be_decided(company):
    event = UsageEvent.objects.get(subject="acme")
    UsageEventKey.objects.get_or_create(
        source=event.source, event_id=event.external_id, defaults={"stored_as": event.id, "time": event.time}
    )
    with clock.frozen_at(at("2026-03-05")):
        reverse_event(source=event.source, event_id=event.external_id, reason="Sent by a test machine")
    code, said = run_check()
    assert code == 2, said
    assert "late usage of -37.5 from 2026-02-01 00:00 to 2026-03-01 00:00 UTC: billed for 37.5 on Invoice" in said
    assert "it comes to 0 now, without 1 that were reversed." in said
    assert "Events were changed or removed" not in said


def test_an_event_that_was_reversed_is_no_excuse_for_one_that_is_gone(company):
    """Of the two that were billed, one is reversed and the other one gone: only the one has its record."""
    break_by(
        "UPDATE invoicing_invoiceline SET explain = replace(explain::text, '\"events\": 1', '\"events\": 2')::json"
    )
    event = UsageEvent.objects.get(subject="acme")
    EventReversal.objects.create(
        event_id=event.id,
        source=event.source,
        external_id=event.external_id,
        type=event.type,
        subject=event.subject,
        time=event.time,
        reason="Sent by a test machine",
    )
    code, said = run_check("--only", "8")
    assert code == 1, said
    assert "line Calls: it was billed for 37.5; its events come to 0" in said


def test_a_credit_that_is_open_is_told_and_breaks_nothing(company):
    break_by(
        f"INSERT INTO subscriptions_quantitychange (id, item_id, effective_at, quantity, action, recorded_at) "
        f"SELECT gen_random_uuid(), ({ACME}), at, quantity, 'update', at "
        f"FROM (VALUES (timestamptz '2026-02-15Z', 4), ('2026-04-01Z', 5)) AS changes(at, quantity)"
    )
    # The seats of March were billed as 5, too: 5.00 (14 of 28 days of 9.99) and 9.99.
    code, said = run_check("--only", "2")
    assert code == 0, said
    assert "Item 1 (seats) of Acme (acme): 5.00 EUR too much was billed for 2026-02-15 00:00 to 2026-03-01" in said
    assert "Item 1 (seats) of Acme (acme): 9.99 EUR too much was billed for 2026-03-01 00:00 to 2026-04-01" in said


def test_the_check_can_write_nothing():
    with one_snapshot(), pytest.raises(DatabaseError, match="read-only"), transaction.atomic():
        make_customer()


def test_findings_beyond_the_limit_are_counted(company):
    break_by("UPDATE invoicing_invoiceline SET description = 'x', name = name || '!' WHERE kind = 'flat'")
    code, said = run_check("--limit", "1", "--only", "3")
    assert code == 1
    assert said.count("Broken: 3.") == 1
    assert "More findings of 3 are only counted" in said


ABSURD = "1" + "0" * 27
# Far past the 28 digits of Python's default, and past the 150 that exact arithmetic keeps.
GIANT = "7" + "0" * 160


def issued_invoice_of(key):
    return Invoice.objects.get(customer__key=key, issued_at__date="2026-02-01")


def add_to_total(table, columns, more, pk):
    changes = ", ".join(f"{column} = {column} + {more}" for column in columns)
    break_by(f"UPDATE invoicing_{table} SET {changes} WHERE id = %s", pk)


INVOICE_COLUMNS = ("amount", "total", "due")


@pytest.mark.parametrize("more", [ABSURD, GIANT])
def test_an_amount_of_any_size_is_a_finding_and_everybody_is_checked(company, more):
    code, said = run_check("--only", "3", "4", "7", now=LAST_CLOSE)
    checked = [line.removesuffix(" ok").rstrip() for line in said.splitlines() if line.endswith(" ok")]
    assert (code, len(checked)) == (0, 3)
    acme = issued_invoice_of("acme")
    globex = Invoice.objects.filter(customer__key="globex", issued_at__isnull=False).first()
    add_to_total("invoice", INVOICE_COLUMNS, more, acme.id)
    add_to_total("invoice", INVOICE_COLUMNS, "1", globex.id)
    code, said = run_check("--only", "3", "4", "7", now=LAST_CLOSE)
    assert code == 1
    assert said.count(f"Invoice {acme.number} of Acme (acme): ") == 3
    assert said.count(f"Invoice {globex.number} of Globex (globex): ") == 3
    assert "The books are broken: 6 findings." in said
    # As many invoices were looked at as before.
    assert all(line in said for line in checked)


def test_amounts_of_thirty_digits_are_added_up_exactly(company):
    """In the 28 digits of Python's default the line and the invoice would both be 10^27, and the cent not missed."""
    invoice = issued_invoice_of("acme")
    line = invoice.lines.filter(deleted_at=None, amount="49.95").get()
    assert (invoice.amount, invoice.lines.count()) == (Decimal("54.94"), 3)
    add_to_total("invoice", INVOICE_COLUMNS, f"{ABSURD}.01", invoice.id)
    add_to_total("invoiceline", ("amount", "total"), ABSURD, line.id)
    said = run_check("--only", "4", now=LAST_CLOSE)[1]
    expected = "its amount is 1000000000000000000000000054.95, but its lines add up to 1000000000000000000000000054.94."
    assert expected in said


def test_a_check_that_raises_over_one_row_is_a_finding_and_the_others_go_on(company):
    """Components that are no components, and a schedule that can't be worked out."""
    invoice = issued_invoice_of("acme")
    break_by("UPDATE invoicing_invoiceline SET components = '[[1]]' WHERE invoice_id = %s", invoice.id)
    break_by(
        "UPDATE subscriptions_subscription SET time_zone = 'Nowhere/Land' WHERE id = %s", subscription_of("globex")
    )
    code, said = run_check(now=LAST_CLOSE)
    assert code == 1
    assert "Customer Acme (acme): their subscriptions can't be read: Something unexpected went wrong" in said
    assert "Customer Globex (globex): " in said
    assert len([line for line in said.splitlines() if line.endswith(" ok")]) >= 5
    assert "The books are broken" in said


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("explain = '{}'", "its explanation can't be read (ValueError: "),
        (
            "explain = jsonb_set(explain, '{currency}', '\"XXX\"')",
            "its explanation can't be computed again (InvalidInput: ",
        ),
    ],
)
def test_an_explanation_that_says_nothing_is_a_finding_and_the_log_has_where_it_failed(company, caplog, how, found):
    line = issued_invoice_of("acme").lines.filter(deleted_at=None).first()
    break_by(f"UPDATE invoicing_invoiceline SET {how} WHERE id = %s", line.id)
    said = run_check("--only", "3", now=LAST_CLOSE)[1]
    assert found in said
    [told] = [record for record in caplog.records if str(line.id) in record.message]
    assert told.exc_info is not None


def test_the_log_has_where_a_check_failed_over_one_row(company, caplog):
    invoice = issued_invoice_of("acme")
    break_by("UPDATE invoicing_invoice SET issued_at = '-infinity' WHERE id = %s", invoice.id)
    run_check(now=LAST_CLOSE)
    assert [record for record in caplog.records if record.name == "invoicing.books.examination"]


def test_a_check_that_stops_is_a_finding_and_the_other_checks_go_on(company):
    """A time at the end of all times, which Python has no word for."""
    break_by("UPDATE invoicing_invoice SET issued_at = 'infinity' WHERE id = %s", issued_invoice_of("acme").id)
    code, said = run_check(now=LAST_CLOSE)
    assert code == 1
    assert "The check itself: it stopped, and proves no more than it had looked at (" in said
    assert "  6. Balances are the sums of their ledgers" in said
    assert "The books are broken" in said


def subscription_of(key):
    return Subscription.objects.get(customer__key=key).id
