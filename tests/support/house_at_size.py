"""A house of many customers, invoices and messages, multiplied in the database out of one of each.

What is due at `NOW` is what a second brings: a few of each kind among very many.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, models

from billing_site.access.models import IdempotentResponse
from billing_site.access.services.create_api_key import create_api_key
from core import clock
from core.notifications.models import Delivery, Event, Rule
from core.outbox.models import OutboxMessage
from customers.models import BillingApp, Customer
from entitlements.models import Entitlement, EntitlementDue, Grant, SpendingChange
from invoicing.models import (
    BillingDue,
    BillingRun,
    Invoice,
    InvoiceLine,
    LateUsageCase,
    LateUsageLook,
    MigrationItem,
    MigrationShard,
    ParkedCustomer,
    Payment,
    ProfileMigration,
    Refund,
    RunCustomer,
    RunShard,
)
from subscriptions.models import Plan, Subscription
from tests.support.catalog import make_excess_plan
from tests.support.clock import at
from tests.support.closing import START, make_subscriber, run_close
from tests.support.customers import enterprise, make_default_profile
from tests.support.entitlements import entitle, make_metered_feature
from tests.support.notices import make_rule

# The copies fall due second by second from here on: thirty numbers are due at NOW.
_BEGIN = at("2026-04-17")
NOW = _BEGIN + timedelta(seconds=30)

_SOON = f"timestamptz '{_BEGIN.isoformat()}' + n * interval '1 second'"
_BEFORE = "timestamptz '2026-04-16' - n % 700 * interval '1 day'"
_DRAFTED = """CASE n / 100 % 3 WHEN 0 THEN 'draft.waiting_auto_approval'
    WHEN 1 THEN 'draft.manual_approval_needed' ELSE 'draft.waiting_for_collection' END"""
_ENDS = "jsonb_set(workflow_snapshot, '{values,uncollectible_after_dunning}', to_jsonb(n < 1000))"


def make_house(count: int, *, remote: BillingApp) -> Invoice:
    """`count` customers, subscriptions, invoices, messages and outcomes of runs, nearly as many payments.

    Of a hundred invoices three gather, two are drafts that wait for later or for staff, two are issued and not due yet
    (one of them to be charged by `remote`), two are past due, one of which is tried again, one is voided, and the
    others are paid. Statistics are taken. Returns the invoice that the others were made from: INV-000001 of Acme, paid.
    """
    make_default_profile()
    customer = make_subscriber(make_excess_plan())
    run_close()
    invoice = Invoice.objects.get(issued_at__isnull=False)
    with without_triggers():
        _multiply_all(customer, invoice, count, remote)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return invoice


def _multiply_all(customer: Customer, invoice: Invoice, count: int, remote: BillingApp) -> None:
    multiply(Customer.objects.get(), count, key="'c' || n", name="'Customer ' || n", created_at=_BEFORE)
    due = {"next_billing_at": f"CASE WHEN n % 20 > 0 THEN {_SOON} + interval '25 seconds' END"}
    multiply(Subscription.objects.get(), count, customer_id=id_of(Customer), **due)
    soon = BillingDue.objects.create(customer=customer, currency="USD", due_at=_BEGIN)
    soon_at = f"{_SOON} + interval '25 seconds'"
    multiply(soon, count, where="n % 20 > 0", id="-n", customer_id=id_of(Customer), due_at=soon_at)
    soon.delete()
    _runs(count)
    _invoices(invoice, count, remote)
    _payments(invoice, count)
    _moves(customer, count)
    parked = ParkedCustomer.objects.create(customer=customer, cause_code="x", cause="x", released_at=NOW)
    still = "CASE WHEN n % 50 > 0 THEN released_at END"
    multiply(parked, count // 20, customer_id=id_of(Customer, "n + 1000"), released_at=still)
    _messages(count)
    _entitlements(customer, count)
    _late_usage(customer, count)


@contextmanager
def without_triggers() -> Iterator[None]:
    """Foreign keys hold by the way the ids are made: to look each up would take most of the time. Needs a superuser."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        if not cursor.fetchone()[0]:
            yield
            return
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = origin")


def make_draft_due() -> None:
    """A draft of a real customer whose time of review is over."""
    make_default_profile(draft_period="P1D")
    make_subscriber(Plan.objects.get(), key="beta", name="Beta")
    run_close(as_of=START)
    make_default_profile(draft_period="PT0S")


def make_refund_due() -> None:
    """Money to be given back by the provider."""
    payment = Payment.objects.get(pk=known_id(Payment, 106))
    Refund.objects.create(
        payment=payment,
        invoice_id=payment.invoice_id,
        amount=1,
        from_balance=1,
        currency="EUR",
        status="pending",
        next_check_at=clock.real_now(),
    )


def _runs(count: int) -> None:
    shards = count // 500
    of_run = id_of(BillingRun, "n % 200 + 1")
    multiply(BillingRun.objects.get(), 200, created_at=_BEFORE)
    multiply(RunShard.objects.get(), shards, run_id=of_run, position="n + 1")
    of_shard = id_of(RunShard, f"n % {shards} + 1")
    multiply(RunCustomer.objects.get(), count, run_id=of_run, shard_id=of_shard, customer_id=id_of(Customer))


def _invoices(invoice: Invoice, count: int, remote: BillingApp) -> None:
    any_of = {"customer_id": id_of(Customer), "created_at": _BEFORE, "updated_at": _BEFORE}
    draft = any_of | dict.fromkeys(
        ("number", "sequence", "series_id", "issued_at", "due_at", "next_collection_at"), "NULL"
    )
    draft |= dict.fromkeys(("total", "paid", "due"), "0")
    total = "50 + n % 500"
    issued = any_of | {"number": "'X-' || n", "sequence": "n + 10", "issued_at": _BEFORE, "total": total}
    unpaid = issued | {"due": total, "paid": "0", "status": "'issued'", "due_at": _SOON}
    overdue = unpaid | {"status": "'overdue'", "due_at": _BEFORE, "workflow_snapshot": _ENDS}
    for where, columns in (
        ("n % 100 < 3", draft | {"status": "'gathering'"}),
        ("n % 100 IN (3, 4)", draft | {"status": _DRAFTED, "draft_until": _SOON, "collection_at": _SOON}),
        ("n % 100 = 5", unpaid),
        ("n % 100 = 6", unpaid | {"app_id": f"'{remote.pk}'", "next_collection_at": _SOON}),
        ("n % 100 = 7", overdue),
        ("n % 100 = 8", overdue | {"next_collection_at": _SOON}),
        ("n % 100 = 9", issued | {"status": "'voided'", "paid": total}),
        ("n % 100 > 9", issued | {"paid": total}),
    ):
        multiply(invoice, count, where=where, **columns)


def _payments(invoice: Invoice, count: int) -> None:
    own = {"invoice_id": id_of(Invoice), "external_id": "'p' || n", "created_at": _BEFORE}
    failed = own | {"status": "'failed'", "failure_code": "CASE n WHEN 307 THEN 'amount_too_small' ELSE 'declined' END"}
    asked = own | {
        "status": "'pending'",
        "app_id": f"(SELECT app_id FROM {Invoice._meta.db_table} WHERE id = {id_of(Invoice)})",
    }
    payment = Payment.objects.get()
    multiply(payment, count, where="n % 100 > 9", **own)
    multiply(payment, count, where="n % 100 IN (7, 8)", **failed)
    multiply(payment, count, where="n IN (106, 206)", **asked, next_check_at="now()", sent_at="now()")


def _moves(customer: Customer, count: int) -> None:
    profile = make_default_profile()
    migration = ProfileMigration.objects.create(from_profile=profile, to_profile=enterprise(), status="done")
    shard = MigrationShard.objects.create(migration=migration, kind="move", status="done")
    multiply(shard, count // 40)
    item = MigrationItem.objects.create(
        migration=migration, customer=customer, shard=shard, outcome="moved", moved_at=NOW
    )
    multiply(item, count, customer_id=id_of(Customer), shard_id=id_of(MigrationShard, f"n % {count // 40} + 1"))


def _messages(count: int) -> None:
    message = OutboxMessage.objects.create(
        topic="email", payload={"to": "a@b.example", "subject": "-", "body": "-"}, due_at=None, delivered_at=NOW
    )
    waiting = "n % 200 = 7"
    multiply(
        message,
        count,
        customer_id=id_of(Customer),
        due_at=f"CASE WHEN {waiting} THEN {_SOON} END",
        delivered_at=f"CASE WHEN NOT {waiting} THEN delivered_at END",
    )
    key, _ = create_api_key(name="Shop", scopes=["customers:read"])
    response = IdempotentResponse.objects.create(
        api_key=key, path="/", idempotency_key="0", request_hash="", created_at=clock.real_now()
    )
    old = "now() - CASE WHEN n < 5 THEN 8 ELSE 1 END * interval '1 day'"
    multiply(response, count, id="n + 1000", idempotency_key="n", created_at=old)


def _entitlements(customer: Customer, count: int) -> None:
    """100 calls a month for each customer; thirty are looked at by NOW, and a rule asks for what they are told."""
    make_metered_feature()
    entitlement = entitle(customer)
    due = EntitlementDue.objects.create(customer=customer, feature_key="calls", due_at=_BEGIN, seen_to=_BEGIN)
    multiply(Grant.objects.get(), count, entitlement_id=id_of(Entitlement))
    multiply(entitlement, count, customer_id=id_of(Customer), created_at=_BEFORE)
    multiply(due, count, id="n + 1000", customer_id=id_of(Customer), due_at=_SOON)
    make_rule(("balance_value", 200))
    rule = make_rule(type="entitlements.reset")
    _events(rule, count)


def _late_usage(customer: Customer, count: int) -> None:
    """A case for each customer, a look that failed and waits for its hour, and thirty that are to be had now; as many
    who used something since their spending was looked at."""
    line = InvoiceLine.objects.get(kind="usage", invoice__status="gathering")
    case = LateUsageCase.objects.create(
        customer=customer,
        subscription_id=line.subscription_id,
        item_id=line.item_id,
        window_id=line.pk,
        name=line.name,
        period_start=line.period_start,
        period_end=line.period_end,
        currency="EUR",
        settled_quantity=0,
        quantity=1,
        explain=InvoiceLine.objects.filter(invoice__issued_at__isnull=False)[0].explain,
        usage_since=line.period_start,
    )
    decided = "n % 50 > 0"
    multiply(
        case,
        count,
        customer_id=id_of(Customer),
        window_id=id_of(LateUsageCase),
        item_id=id_of(LateUsageCase),
        state=f"CASE WHEN {decided} THEN 'waived' ELSE 'open' END",
        decided_at=f"CASE WHEN {decided} THEN {_BEFORE} END",
        created_at=_BEFORE,
    )
    look = LateUsageLook.objects.create(customer=customer, since=_BEGIN, until=NOW)
    again = f"CASE WHEN n > 30 THEN {_SOON} + interval '1 hour' END"
    multiply(look, count, id="n + 1000", customer_id=id_of(Customer), not_before=again)
    used = SpendingChange.objects.create(customer_id=customer.pk)
    multiply(used, 30, id="n + 1000", customer_id=id_of(Customer))


def _events(rule: Rule, count: int) -> None:
    """One told event for each customer, of which some are old enough to be forgotten."""
    told_at = f"timestamptz '{_BEGIN.isoformat()}' - (CASE WHEN n <= 40 THEN 100 ELSE n % 80 END) * interval '1 day'"
    event = Event.objects.create(type=rule.type, rule=rule, dedupe_key="0", body="{}", subject="acme")
    message = OutboxMessage.objects.create(topic="webhook", payload={}, due_at=None, delivered_at=NOW)
    channel = rule.channels.get()
    delivery = Delivery.objects.create(event=event, channel=channel, message=message, give_up_at=NOW)
    multiply(event, count, dedupe_key="n", subject="'c' || n", created_at=told_at)
    multiply(message, count, id=id_of(Delivery, "n"))
    multiply(delivery, count, event_id=id_of(Event), message_id=id_of(Delivery, "n"))


def multiply(record: models.Model, count: int, *, where: str = "true", **columns: str) -> None:
    """Store copies of a record, their ids and these columns written in SQL over their number `n`, from 1."""
    model = type(record)
    names = [field.column for field in model._meta.concrete_fields]
    values = ({} if "id" in columns else {"id": id_of(model)}) | columns
    assert values.keys() <= set(names), values.keys() - set(names)
    chosen = ", ".join(values.get(name, f'"{name}"') for name in names)
    table, listed = model._meta.db_table, ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({listed}) SELECT {chosen} FROM {table} "
            f"CROSS JOIN generate_series(1, {count}) AS n WHERE id = '{record.pk}' AND {where}"
        )


def id_of(model: type[models.Model], number: str = "n") -> str:
    """SQL for the id of the copy with this number."""
    return f"('{_tag(model)}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def known_id(model: type[models.Model], number: int) -> str:
    """The id of the copy with this number."""
    return f"{_tag(model)}-0000-7000-8000-{number:012x}"


def _tag(model: type[models.Model]) -> str:
    """Told apart by model, and as early as the ids of a time long ago."""
    return f"{sum(model._meta.db_table.encode()):08x}"
