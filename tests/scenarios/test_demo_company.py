"""The demo company, seeded once: what it promises, that its books add up, and that a second seeding changes nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from billing_site.access.models import ApiKey
from billing_site.demo.cast import LOGINS, PASSWORD
from core import clock
from core.audit.models import AuditEntry
from core.outbox.models import OutboxMessage
from customers.models import Customer
from entitlements.models import UsageEvent
from invoicing.choices import InvoiceStatus, RunStatus
from invoicing.models import (
    BankStatement,
    BillingRun,
    Invoice,
    InvoiceLine,
    LateUsageCase,
    ParkedCustomer,
    Payment,
    ProfileMigration,
)
from invoicing.runs.due_customers import due_customers
from invoicing.runs.run_due import run_due
from subscriptions.models import CouponRedemption, Plan, QuantityChange, QuantityReport, Subscription
from tests.support.books import run_check
from tests.support.clock import at
from tests.support.customers import make_customer, make_default_profile

pytestmark = pytest.mark.django_db

PRESENT = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
TABLES = (AuditEntry, ApiKey, BillingRun, Customer, Invoice, InvoiceLine, OutboxMessage, Payment, Plan, UsageEvent)


def seed() -> str:
    output = StringIO()
    # As in a new installation: transactional tests before this one may have emptied every table.
    make_default_profile()
    with clock.frozen_at(PRESENT):
        call_command("seed_demo", stdout=output)
    return output.getvalue()


def row_counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (*TABLES, get_user_model())}


def test_the_company_is_as_promised_and_seeding_it_again_changes_nothing():
    said = seed()

    # One line a month, then where to look and how to log in.
    assert "  March 2026: " in said and "  November 2026: " in said
    for login in LOGINS:
        assert f"{login.username:<10} {login.role}" in said
        user = get_user_model().objects.get(username=login.username)
        assert user.is_staff and user.is_active and user.check_password(PASSWORD)
    assert {group.name for user in get_user_model().objects.all() for group in user.groups.all()} == {
        "Finance clerk",
        "Finance approver",
        "Billing admin",
        "Auditor",
    }

    # Customers, plans, currencies, zones.
    assert Customer.objects.count() >= 60
    assert {plan.key.partition("-")[0] for plan in Plan.objects.all()} == {"starter", "team", "business", "enterprise"}
    assert set(Subscription.objects.values_list("currency", flat=True)) == {"USD", "EUR", "JPY"}
    continents = {zone.partition("/")[0] for zone in Subscription.objects.values_list("time_zone", flat=True)}
    assert continents == {"America", "Europe", "Asia", "Australia"}
    month_ends = Subscription.objects.get(customer__key="juniper-lane-bakery")
    starts = InvoiceLine.objects.filter(subscription=month_ends, name="Base fee", invoice__issued_at__isnull=False)
    # Los Angeles midnight: UTC-7 in summer time, UTC-8 outside. The first period begins with the subscription.
    assert list(starts.order_by("period_start").values_list("period_start", flat=True)) == [
        at("2026-03-11T16:30"),
        at("2026-03-31T07:00"),
        at("2026-04-30T07:00"),
        at("2026-05-31T07:00"),
        at("2026-06-30T07:00"),
        at("2026-07-31T07:00"),
        at("2026-08-31T07:00"),
        at("2026-09-30T07:00"),
        at("2026-10-31T07:00"),
    ]

    # Every way for money to come in, or not to.
    statuses = Counter(Invoice.objects.values_list("status", flat=True))
    for status in (
        InvoiceStatus.PAID,
        InvoiceStatus.OVERDUE,
        InvoiceStatus.PAYMENT_FAILED,
        InvoiceStatus.PAYMENT_ACTION_REQUIRED,
        InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED,
        InvoiceStatus.GATHERING,
    ):
        assert statuses[status], f"no invoice is {status.label}"
    assert statuses[InvoiceStatus.PAID] > 300
    parked = ParkedCustomer.objects.filter(released_at__isnull=True)
    assert Counter(parked.values_list("cause_code", flat=True)) == {"meter_deleted": 2, "unreadable_events": 1}
    assert Payment.objects.filter(app__type="bank_transfer").exists()
    statement = BankStatement.objects.get()
    found = set(statement.rows.values_list("match", flat=True))
    assert (statement.status, statement.imported_by) == ("review", "Grace Okafor")
    assert {"exact", "unmatched", "outgoing"} <= found
    assert not statement.rows.filter(payment__isnull=False).exists()

    # What customers did with their subscriptions.
    assert UsageEvent.objects.count() > 5_000
    assert QuantityReport.objects.exists() and CouponRedemption.objects.exists()
    assert QuantityChange.objects.filter(effective_at__gt=PRESENT - timedelta(days=200)).exists()
    assert Subscription.objects.exclude(anchor_shifts=[]).exists()
    storage = InvoiceLine.objects.filter(name__startswith="Excess storage", total__gt=0, invoice__status="paid")
    assert storage.exists()
    assert InvoiceLine.objects.filter(name="API calls", quantity__gt=0, metered_quantity__gt=0).exists()

    # One move between profiles is done, but for a customer who was taken back; another one waits for its approval.
    done, waiting = ProfileMigration.objects.order_by("created_at")
    assert (done.status, waiting.status) == ("done", "checked")
    outcomes = Counter(done.items.values_list("outcome", flat=True))
    assert outcomes["taken_back"] == 1 and outcomes["moved"] >= 10
    assert Invoice.objects.filter(profile=done.to_profile, status=InvoiceStatus.PAID).exists()
    assert waiting.customer_count >= 5

    # Drafts wait with what is unusual about them, and a customer's usage was billed in parts.
    drafts = Invoice.objects.filter(status=InvoiceStatus.DRAFT_MANUAL_APPROVAL_NEEDED)
    assert not drafts.filter(anomalies=None).exists()
    kinds = {anomaly["kind"] for draft in drafts for anomaly in draft.anomalies}
    assert {"by_hand", "fell", "rose"} & kinds and "by_hand" in kinds
    parts = InvoiceLine.objects.filter(parent__status="split", invoice__issued_at__isnull=False)
    assert set(parts.values_list("subscription__customer__key", flat=True)) == {"feldspar-robotics"}

    # What came late is to be decided, with what it is worth.
    cases = LateUsageCase.objects.filter(state="open")
    assert set(cases.values_list("customer__key", flat=True)) == {"rooftop-solar-collective", "caravel-shipping"}
    assert not cases.filter(net__lte=0).exists()

    # History is closed, and the newest dues are left for worker and beat.
    assert not BillingRun.objects.exclude(status=RunStatus.DONE).exists()
    assert due_customers(PRESENT).count() >= 8
    assert not due_customers(PRESENT - timedelta(hours=36)).exists()

    before = row_counts()
    assert "there already" in seed()
    assert row_counts() == before

    # Worker and beat find a sound ledger to go on with.
    with clock.frozen_at(PRESENT):
        run_due(as_of=PRESENT)
    code, said = run_check(now="2026-11-20T10:30")
    assert (code, said.count("To decide: 8")) == (2, 2), said


def test_a_database_with_other_customers_is_left_alone():
    make_customer()
    before = row_counts()
    with pytest.raises(CommandError, match="Nothing was seeded"):
        seed()
    assert row_counts() == before
