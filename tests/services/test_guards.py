"""What the database itself refuses, whatever the code above it does (architecture page, guards)."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL
from psycopg.types.range import TimestamptzRange

from core import clock
from core.audit.models import AuditEntry
from core.audit.services.record import record
from core.ids import new_id
from customers.models import BillingProfile
from invoicing.choices import InvoiceStatus
from invoicing.closing.close_customers import close_customers
from invoicing.models import BilledWindow, Invoice, InvoiceDetailedLine, InvoiceLine
from subscriptions.lifecycle.record_subscription import record_subscription
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued():
    """An issued invoice with one line of 50.00, its window and its detailed line."""
    make_default_profile()
    customer = make_customer()
    with clock.frozen_at(at("2026-03-17")):
        record_subscription(customer=customer, plan=make_excess_plan(), active_from=at("2026-03-17"))
        close_customers([customer.id], as_of=at("2026-03-17"))
    return Invoice.objects.get(issued_at__isnull=False)


def refused(act, match):
    """The database refuses `act`, by an error that says `match`."""
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        act()


def span(start, end):
    """The time from `start` to `end`, which may be open."""
    return TimestamptzRange(start and at(start), end and at(end), "[)")


OVERLAPS = "which is settled"
STARTS_TWICE = "window_starts_once"


@pytest.mark.parametrize(
    ("start", "end", "because"),
    [
        ("2026-03-17", "2026-04-17", STARTS_TWICE),
        ("2026-03-17", "2026-03-18", STARTS_TWICE),
        ("2026-04-16T23:59:59", "2026-05-01", OVERLAPS),
        ("2026-01-01", "2026-03-17T00:00:01", OVERLAPS),
        ("2026-01-01", "2027-01-01", OVERLAPS),
        ("2026-03-20", "2026-03-21", OVERLAPS),
        ("2026-01-01", None, OVERLAPS),
        ("2026-04-01", None, OVERLAPS),
    ],
)
def test_two_windows_of_an_item_never_overlap(issued, start, end, because):
    item = issued.lines.get().item
    refused(lambda: BilledWindow.objects.create(item=item, span=span(start, end), kind="waiver"), because)


@pytest.mark.parametrize(
    ("start", "end"), [("2026-04-16", "2026-06-17"), ("2026-05-16", "2026-05-20"), ("2026-02-01", "2026-03-18")]
)
def test_a_window_never_grows_or_moves_into_another(issued, start, end):
    item = issued.lines.get().item
    later = BilledWindow.objects.create(item=item, span=span("2026-05-17", "2026-06-17"), kind="waiver")
    BilledWindow.objects.create(item=item, span=span("2026-04-17", "2026-05-17"), kind="waiver")
    windows = BilledWindow.objects.filter(pk=later.pk)
    refused(lambda: windows.update(span=span(start, end)), OVERLAPS)


@pytest.mark.parametrize(("start", "end"), [("2026-04-16", "2026-05-17"), ("2026-05-16", "2026-06-17")])
def test_a_window_that_reaches_into_one_is_found_also_where_it_touches_the_next(issued, start, end):
    item = issued.lines.get().item
    for settled in (span("2026-05-17", "2026-05-27"), span("2026-06-17", "2026-07-17")):
        BilledWindow.objects.create(item=item, span=settled, kind="waiver")
    BilledWindow.objects.create(item=item, span=span("2026-04-17", "2026-05-17"), kind="waiver")
    refused(lambda: BilledWindow.objects.create(item=item, span=span(start, end), kind="waiver"), OVERLAPS)


def test_a_window_without_an_end_reaches_into_all_that_is_to_come(issued):
    item = issued.lines.get().item
    BilledWindow.objects.create(item=item, span=span("2199-01-01", "2199-02-01"), kind="waiver")
    refused(lambda: BilledWindow.objects.create(item=item, span=span("2198-01-01", None), kind="waiver"), OVERLAPS)


def test_windows_that_come_together_never_overlap_each_other(issued):
    item = issued.lines.get().item
    spans = [span("2026-06-17", "2026-07-17"), span("2026-04-17", "2026-05-17"), span("2026-05-16", "2026-06-17")]
    new = [BilledWindow(item=item, span=each, kind="waiver") for each in spans]
    refused(lambda: BilledWindow.objects.bulk_create(new), OVERLAPS)
    BilledWindow.objects.bulk_create(new[:2])
    windows = BilledWindow.objects.filter(kind="waiver")
    refused(lambda: windows.update(span=span("2026-08-17", "2026-09-17")), STARTS_TWICE)
    longer = RawSQL("tstzrange(lower(span), upper(span) + interval '31 days' + interval '1 second')", [])
    refused(lambda: windows.update(span=longer), OVERLAPS)


@pytest.mark.parametrize(
    "bounds", ["empty", "(,2026-01-01Z)", "(2026-01-01Z,2026-02-01Z)", "[2026-01-01Z,2026-02-01Z]"]
)
def test_a_window_has_a_start_of_its_own_and_ends_before_the_next(issued, bounds):
    item = issued.lines.get().item
    create = BilledWindow.objects.create
    refused(lambda: create(item=item, span=bounds, kind="waiver"), "window_starts_and_ends_apart")


def test_windows_may_touch_and_those_of_other_items_may_overlap(issued):
    first, second = issued.lines.get().subscription.items.order_by("running_number")
    BilledWindow.objects.create(item=first, span=span("2026-04-17", "2026-05-17"), kind="waiver")
    BilledWindow.objects.create(item=first, span=span("2026-02-17", "2026-03-17"), kind="waiver")
    BilledWindow.objects.create(item=first, span=span("2026-05-17", None), kind="waiver")
    BilledWindow.objects.create(item=second, span=span("2026-03-17", "2026-05-17"), kind="waiver")
    assert BilledWindow.objects.count() == 5


@pytest.mark.parametrize(
    "change",
    [
        {"total": Decimal("49.00"), "due": Decimal("49.00")},
        {"number": "INV-000777"},
        {"issued_at": at("2026-03-16")},
        {"issued_at": None, "number": None, "series": None, "sequence": None},
        {"customer_snapshot": {}},
        {"content_hash": ""},
        {"currency": "USD"},
        {"replaces": F("id")},
    ],
)
def test_an_issued_invoice_never_changes(issued, change):
    refused(lambda: Invoice.objects.filter(pk=issued.pk).update(**change), "is issued and can't be changed")


def test_the_status_and_the_money_of_an_issued_invoice_may_move(issued):
    Invoice.objects.filter(pk=issued.pk).update(status=InvoiceStatus.OVERDUE, paid=Decimal(20), due=Decimal(30))


def test_an_issued_invoice_is_never_deleted(issued):
    refused(lambda: Invoice.objects.filter(pk=issued.pk)._raw_delete("default"), "is issued and can't be deleted")


LINE_ACTS = {
    "changed": lambda line: InvoiceLine.objects.filter(pk=line.pk).update(name="Other"),
    "deleted": lambda line: InvoiceLine.objects.filter(pk=line.pk)._raw_delete("default"),
    "moved away": lambda line: InvoiceLine.objects.filter(pk=line.pk).update(
        invoice=Invoice.objects.get(status=InvoiceStatus.GATHERING)
    ),
    "added": lambda line: InvoiceLine(
        **{field.attname: getattr(line, field.attname) for field in InvoiceLine._meta.concrete_fields}
        | {"id": new_id(), "amends_id": line.id}
    ).save(force_insert=True),
    "moved here": lambda line: InvoiceLine.objects.filter(invoice__status=InvoiceStatus.GATHERING).update(
        invoice=line.invoice
    ),
}


@pytest.mark.parametrize("act", LINE_ACTS)
def test_lines_of_an_issued_invoice_are_frozen(issued, act):
    refused(lambda: LINE_ACTS[act](issued.lines.get()), "is issued: its lines can't be changed")


DETAIL_ACTS = {
    "changed": lambda line: line.detailed_lines.update(name="Other"),
    "deleted": lambda line: line.detailed_lines.all().delete(),
    "added": lambda line: InvoiceDetailedLine.objects.create(
        line=line,
        category="regular",
        name="More",
        period_start=line.period_start,
        period_end=line.period_end,
        quantity=1,
        unit_amount=1,
        amount=1,
        total=1,
    ),
}


@pytest.mark.parametrize("act", DETAIL_ACTS)
def test_detailed_lines_of_an_issued_invoice_are_frozen(issued, act):
    refused(lambda: DETAIL_ACTS[act](issued.lines.get()), "is issued: its lines can't be changed")


def test_there_is_one_default_profile(issued):
    default = BillingProfile.objects.get(is_default=True)
    refused(
        lambda: BillingProfile.objects.create(
            name="Second", supplier=default.supplier, app=default.app, is_default=True
        ),
        "one_default_profile",
    )


def test_a_customer_has_one_gathering_invoice_for_each_currency(issued):
    again = {"customer": issued.customer, "status": InvoiceStatus.GATHERING}
    refused(lambda: Invoice.objects.create(currency="EUR", **again), "one_gathering_invoice")
    Invoice.objects.create(currency="USD", **again)


def test_a_number_is_given_once_in_a_series(issued):
    columns = {field.attname: getattr(issued, field.attname) for field in Invoice._meta.concrete_fields}
    twice = Invoice(**columns | {"id": new_id(), "number": "INV-000001b"})
    refused(lambda: twice.save(force_insert=True), "one_number_per_series")


@pytest.mark.parametrize(
    "money", [{"due": Decimal(1)}, {"paid": Decimal(0)}, {"credited": Decimal("0.01")}, {"written_off": Decimal(50)}]
)
def test_the_money_of_an_invoice_is_always_accounted_for(issued, money):
    Invoice.objects.filter(pk=issued.pk).update(paid=Decimal(50), due=Decimal(0))
    refused(lambda: Invoice.objects.filter(pk=issued.pk).update(**money), "payment_identity")


def test_the_audit_trail_takes_inserts_only(issued):
    record(verb="test", target=issued, did="tested")
    refused(lambda: AuditEntry.objects.update(sentence="Nothing happened."), "takes inserts only")
    refused(lambda: AuditEntry.objects.all()._raw_delete("default"), "takes inserts only")


def test_a_draft_may_still_change(issued):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM invoicing_invoiceline WHERE invoice_id <> %s", [issued.pk])
        assert cursor.fetchone()[0] == 2
    assert InvoiceLine.objects.filter(invoice__status=InvoiceStatus.GATHERING).update(name="Other") == 2
