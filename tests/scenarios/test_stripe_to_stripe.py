"""Five hundred customers move from one Stripe account, and supplier, to another, through every fault on the way."""

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from core import clock
from core.audit.actors import acting_as
from core.audit.models import AuditEntry
from customers.models import BillingProfile, CustomerAppData, CustomerOverride
from invoicing.drafts.approve_invoice import approve_invoice
from invoicing.models import Invoice, MigrationItem, MigrationShard, Payment
from invoicing.payments.collect_remotely import call, start_charges
from invoicing.payments.record_payment import record_payment
from invoicing.profile_moves.approve_migration import approve_migration
from invoicing.profile_moves.check_migration import check_migration
from invoicing.profile_moves.draft_migration import draft_migration
from invoicing.profile_moves.make_default_profile import make_default_profile as switch_default
from invoicing.profile_moves.pin_unpinned import pin_unpinned
from invoicing.profile_moves.progress import causes_in, progress_of
from invoicing.profile_moves.retry_move import retry_failed
from invoicing.profile_moves.run_migration import run_migration
from invoicing.profile_moves.take_back import take_back
from invoicing.profile_moves.work_migration_shard import unfinished_shards, work_migration_shard, work_off_migration
from invoicing.runs.run_due import close_now
from tests.concurrency.migration_worker import BATCH
from tests.support.clock import at
from tests.support.crowd import assert_gapless
from tests.support.fake_stripe import running
from tests.support.moves import ADA, BOB, MOVE
from tests.support.two_stripes import Company, accounts, ask_stripe, books_are_right, on, plans, work
from tests.support.workers import expire_lease, wait_until_blocked, worker_process

pytestmark = pytest.mark.django_db(transaction=True)

# Who has what, by the customer's number. The first hundred can't move.
NO_ID = range(20)
NO_CARD, EXPIRED = range(20, 30), range(30, 40)
USD = range(40, 60)
BALANCE = range(60, 80)
IN_ADVANCE = range(80, 100)
BLOCKED = range(100)
# These can, but something of theirs stays behind.
DRAFTS, UNPAID = range(100, 120), range(120, 140)
# What befalls them: at the move, after it, and at their next charge.
PERHAPS_FAILING, TAKEN_BACK = range(200, 300), range(300, 303)
DROPPED, AWAY, DECLINED, ACTION, OVERTAKING = (range(start, start + 5) for start in range(400, 425, 5))
EVERYBODY = range(500)
# The invariants that a payment could break: totals, series, ledgers, what is due.
PAYMENTS = ("4", "5", "6", "7")


@pytest.fixture
def company(live_server, settings):
    company = Company(*accounts())
    with running(company.at_old, company.at_new) as address:
        settings.STRIPE_API_BASE = address
        company.set_up(live_server.url)
        known = plans()
        fortnightly = {*BALANCE, *DRAFTS, *UNPAID}
        company.subscribe(
            known["fortnightly" if n in fortnightly else "in_advance" if n in IN_ADVANCE else "monthly"]
            for n in EVERYBODY
        )
        yield company


def test_five_hundred_customers_move_between_two_stripe_accounts(company, settings):
    history(company)
    migration = check_and_approve(company)
    move(company, migration, settings.STRIPE_API_BASE)
    fortnight(company)
    month(company)
    faults_at_the_new_account(company)
    nobody_is_doubled(company)


def history(company):
    """Until the move: fees in advance, drafts, declined charges, and balances out of payments made twice."""
    for n in DRAFTS:
        CustomerOverride.objects.create(customer=company.customers[n], auto_advance=False)
    for n in UNPAID:
        company.at_old.behaviour[f"cus_{n}"] = "decline"
    work("2026-03-01")
    work("2026-03-15")
    company.at_old.send_events()
    with on("2026-03-16"):
        for invoice in company.invoices(*BALANCE):
            record_payment(
                invoice=invoice,
                amount=invoice.total,
                received_at=clock.now(),
                reference="paid again",
                settled_too=True,
            )
    assert Counter(Invoice.objects.exclude(status="gathering").values_list("status", "total")) == {
        ("paid", 10): 20,
        ("paid", 14): 20,
        ("draft.manual_approval_needed", 14): 20,
        ("payment_processing.failed", 14): 20,
    }
    books_are_right("2026-03-16", *PAYMENTS)


def check_and_approve(company):
    CustomerAppData.objects.filter(app=company.new.app, customer__in=[company.customers[n] for n in NO_ID]).delete()
    for n in NO_CARD:
        company.at_new.add_customer(f"cus_{n}", method=None)
    for n in EXPIRED:
        company.at_new.add_customer(f"cus_{n}", method=f"pm_{n}", expires=(2, 2020))
    for n in USD:
        company.at_new.add_customer(f"cus_{n}", method=f"pm_{n}", currency="usd")
    with on("2026-03-18"):
        assert pin_unpinned(profile=company.old, reason="Before the switch") == 500
        assert switch_default(profile=company.new, reason="New customers start there") == 0
    with on("2026-03-20"):
        with acting_as(ADA):
            migration = draft_migration(from_profile=company.old, to_profile=company.new, criteria={})
            migration = work_off_migration(check_migration(migration=migration))
        with acting_as(BOB):
            approve_migration(migration=migration, reason="Agreed")
    assert migration.customer_count == 500
    assert progress_of([migration])[migration.pk].verdicts == {"ready": 360, "warning": 40, "blocked": 100}
    assert {cause.code: (cause.severity, cause.count) for cause in causes_in(migration)} == {
        "no_customer_id": ("blocked", 20),
        "no_payment_method": ("blocked", 20),
        "other_currency": ("blocked", 20),
        "balance": ("blocked", 20),
        "unused_periods": ("blocked", 20),
        "open_drafts": ("warning", 20),
        "unpaid_invoices": ("warning", 20),
    }
    blocked = MigrationItem.objects.filter(outcome="blocked").values_list("customer_id", flat=True)
    assert set(blocked) == {company.customers[n].pk for n in BLOCKED}
    return migration


def move(company, migration, stripe_address):
    """Ten first; then a worker is killed in the middle, and two others finish; five fail, and are tried again."""

    def outcomes():
        return dict(progress_of([migration])[migration.pk].outcomes)

    with on("2026-03-20"):
        migration = work_off_migration(run_migration(migration=migration, limit=10))
        assert (migration.status, outcomes()) == ("paused", {"moved": 10, "pending": 390, "blocked": 100})
        left = set(migration.items.filter(outcome="pending").values_list("customer_id", flat=True))
        failing = [n for n in PERHAPS_FAILING if company.customers[n].pk in left][:5]
        silent = {f"cus_{n}": "silent" for n in failing}
        company.at_new.behaviour |= silent
        run_migration(migration=migration)
        shard = MigrationShard.objects.get(migration=migration, kind="move", status="pending")
        kill_a_worker_on(shard, stripe_address)
        books_are_right("2026-03-20")
        expire_lease(shard)
        assert unfinished_shards(migration) == [shard.pk]
        with ThreadPoolExecutor(2) as pool:
            worked = list(pool.map(work_in_a_thread, [shard.pk] * 2))
        assert sorted(worked) == [False, True]
        migration.refresh_from_db()
        assert (migration.status, outcomes()) == ("done", {"moved": 395, "failed": 5, "blocked": 100})
        company.at_new.behaviour |= dict.fromkeys(silent, "")
        assert retry_failed(migration=migration) == 5
        migration = work_off_migration(migration)
        for n in TAKEN_BACK:
            take_back(migration=migration, customer=company.customers[n], reason="Asked to stay")
    assert (migration.status, outcomes()) == ("done", {"moved": 397, "taken_back": 3, "blocked": 100})
    assert AuditEntry.objects.filter(verb="customer.moved").count() == 400
    pins = Counter(CustomerOverride.objects.values_list("billing_profile__name", flat=True))
    assert pins == {"New": 397, "Old": 103}
    books_are_right("2026-03-20")


def kill_a_worker_on(shard, stripe_address):
    """After its first batch, in the middle of its second one."""
    with worker_process(shard, MOVE, STRIPE_API_BASE=stripe_address) as process:
        assert process.stdout.readline() == f"{390 - BATCH}\n"
        with transaction.atomic():
            BillingProfile.objects.select_for_update().get(pk=shard.migration.to_profile_id)
            process.stdin.write("\n")
            process.stdin.flush()
            wait_until_blocked("customers_billingprofile")
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert shard.items.filter(outcome="waiting").count() == 390 - BATCH


def work_in_a_thread(shard_id):
    try:
        with clock.frozen_at(at("2026-03-20")):
            return work_migration_shard(shard_id)
    finally:
        connection.close()


def fortnight(company):
    """29 March: balances are used up, and a worker dies in the middle of its charges."""
    for n in UNPAID:
        company.at_old.behaviour[f"cus_{n}"] = ""
    with on("2026-03-29"):
        close_now(as_of=clock.now(), trigger="schedule")
        started = start_charges(as_of=clock.now())
        call(started[:16], lambda link, charge: link.charge(charge.request))  # and then it dies
    assert len(started) == 32
    books_are_right("2026-03-29", *PAYMENTS)
    ask_stripe("2026-03-29")
    assert Payment.objects.filter(status="unknown").count() == 16
    ask_stripe("2026-03-29", later=timedelta(minutes=16))
    assert Payment.objects.filter(failure_code="not_sent").count() == 16
    books_are_right("2026-03-29", *PAYMENTS)
    work("2026-03-30")
    assert [(i.profile.name, i.status, str(i.paid)) for i in company.invoices(*UNPAID)] == [
        ("Old", "paid", "14.00"),
        ("New", "paid", "14.00"),
    ] * 20
    assert [(i.profile.name, i.status, str(i.paid)) for i in company.invoices(*BALANCE)] == [
        ("Old", "paid", "28.00"),
        ("Old", "paid", "0"),
    ] * 20
    for account in (company.at_old, company.at_new):
        account.send_events()
    books_are_right("2026-03-30", *PAYMENTS)


def month(company):
    """1 April: everybody's next invoice is by the right supplier, app and terms, and there is one of each."""
    befalls = [(DROPPED, "drop"), (AWAY, "away"), (DECLINED, "decline"), (ACTION, "action"), (OVERTAKING, "overtake")]
    for group, what in befalls:
        for n in group:
            company.at_new.behaviour[f"cus_{n}"] = what
    work("2026-04-01")
    work("2026-04-01")
    april = Invoice.objects.filter(issued_at__gte=at("2026-04-01"))
    assert Counter(
        (i.profile.name, i.app.name, i.supplier.name, i.number[:4], str(i.total), f"{i.due_at:%Y-%m-%d}")
        for i in april.select_related("profile", "app", "supplier")
    ) == {
        ("New", "Stripe New", "My other company", "NEW-", "29.90", "2026-04-21"): 357,
        ("Old", "Stripe Old", "My company", "INV-", "29.90", "2026-04-04"): 63,
        ("Old", "Stripe Old", "My company", "INV-", "10.00", "2026-04-04"): 20,
    }
    theirs = set(april.filter(profile=company.old).values_list("customer_id", flat=True))
    stayed = {*BLOCKED, *TAKEN_BACK} - {*BALANCE}
    assert theirs == {company.customers[n].pk for n in stayed}
    assert april.values("customer").distinct().count() == 440
    books_are_right("2026-04-01")


def faults_at_the_new_account(company):
    """Webhooks twice and out of order, one of them before the answer; the rest is found by asking, or tried again."""

    def states(group):
        return {(i.status, str(i.paid)) for i in company.invoices(*group)}

    assert states(OVERTAKING) == {("paid", "29.90")}
    heard = {f"cus_{n}" for n in (*range(140, 160), *range(400, 425))}  # of the others, the webhooks are lost
    assert company.at_new.send_events(of=heard) == 40
    assert states(DROPPED) == {("paid", "29.90")}
    assert states(AWAY) == {("payment_processing.pending", "0")}
    assert states(DECLINED) == {("payment_processing.failed", "0")}
    assert states(ACTION) == {("payment_processing.action_required", "0")}
    overtaken = next(i for i in company.at_new.intents.values() if i["customer"] == f"cus_{OVERTAKING[0]}")
    late = overtaken | {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
    company.at_new.send(company.at_new.event("payment_intent.payment_failed", late))
    assert states(OVERTAKING) == {("paid", "29.90")}
    books_are_right("2026-04-01", *PAYMENTS)

    for group in (AWAY, DECLINED):
        for n in group:
            company.at_new.behaviour[f"cus_{n}"] = ""
    for intent in list(company.at_new.intents.values()):
        if intent["status"] == "requires_action":
            company.at_new.confirm(intent["id"])
    assert company.at_new.send_events() == 5
    assert states(ACTION) == {("paid", "29.90")}
    ask_stripe("2026-04-01", later=timedelta(minutes=16))
    work("2026-04-02")
    for group in (AWAY, DECLINED):
        assert states(group) == {("paid", "29.90")}
    books_are_right("2026-04-02", *PAYMENTS)


def nobody_is_doubled(company):
    """Drafts of both profiles are issued by what they froze; then each was charged once for each invoice."""
    with on("2026-04-02"):
        for invoice in company.invoices(*DRAFTS):
            approve_invoice(invoice=invoice)
    work("2026-04-02")
    drafted = [(i.profile.name, i.number[:3], i.status, f"{i.due_at:%Y-%m-%d}") for i in company.invoices(*DRAFTS)]
    assert drafted == [("Old", "INV", "paid", "2026-04-05"), ("New", "NEW", "paid", "2026-04-22")] * 20
    expected: dict[int, tuple[list[int], list[int]]] = {n: ([], [2990]) for n in EVERYBODY}
    expected |= {n: ([2990], []) for n in (*NO_ID, *NO_CARD, *EXPIRED, *USD, *TAKEN_BACK)}
    expected |= {n: ([1400], []) for n in BALANCE}
    expected |= {n: ([1000, 1000], []) for n in IN_ADVANCE}
    expected |= {n: ([1400], [1400]) for n in (*DRAFTS, *UNPAID)}
    assert {n: company.charged(n) for n in EVERYBODY} == expected
    assert not Invoice.objects.filter(due__gt=0).exclude(status="gathering").exists()
    assert_gapless()
    books_are_right("2026-04-02")
