"""What beat sends again and again reads what is due, however many rows are not: at 100,000 of each kind."""

import pytest

from billing_site.beat import SCHEDULE
from billing_site.celery import app as celery
from core import clock
from invoicing.models import RunShard
from invoicing.payments.connect_stripe import install_stripe
from invoicing.runs.work_shard import work_shard
from tests.support.charges import KEY
from tests.support.house_at_size import NOW, make_draft_due, make_house, make_refund_due
from tests.support.plans import recorded_plans

ROWS = 100_000

# What a tick writes says that it had something to do: a tick that found nothing due would prove little.
WRITES = {
    "invoicing.runs.tasks.close_due_periods": "invoicing_billingrun",
    "invoicing.late_usage.tasks.find_late_usage": "invoicing_lateusagelook",
    "invoicing.progressive.tasks.watch_spending": "entitlements_spendingchange",
    "invoicing.runs.tasks.advance_invoices": "invoicing_invoice",
    "invoicing.runs.tasks.judge_drafts": "invoicing_invoice",
    "invoicing.payments.tasks.collect_invoices": "invoicing_payment",
    "invoicing.payments.tasks.reconcile_payments": "invoicing_payment",
    "invoicing.payments.tasks.send_refunds": "invoicing_refund",
    "invoicing.payments.tasks.mark_invoices_overdue": "invoicing_invoice",
    "core.notifications.tasks.forget_events": "notifications_event",
    "entitlements.notices.tasks.tell_entitlements": "entitlements_entitlementdue",
    "core.outbox.tasks.deliver_outbox": "outbox_outboxmessage",
    "billing_site.access.tasks.purge_idempotent_responses": "access_idempotentresponse",
}


@pytest.mark.django_db(transaction=True)
def test_no_tick_reads_a_whole_table(fake):
    make_house(ROWS, remote=install_stripe(name="Stripe EU", api_key=KEY, webhook_secret="whsec_1"))
    make_draft_due()
    make_refund_due()
    fake.intents["p106"] = {"currency": "eur"}
    celery.loader.import_default_modules()
    found, idle = {}, []
    with clock.frozen_at(NOW):
        for task in [entry["task"] for entry in SCHEDULE.values()]:
            with recorded_plans() as recorder:
                celery.tasks[task]()
            found[task] = recorder.whole_tables
            wrote = [sql for sql, _ in recorder.seen if not sql.lstrip().startswith("SELECT")]
            if task in WRITES and not any(WRITES[task] in sql for sql in wrote):
                idle.append(task)
        with recorded_plans() as recorder:
            for shard in RunShard.objects.exclude(status="done"):
                work_shard(shard.pk)
        found["the shards that were handed out"] = recorder.whole_tables
    celery.control.purge()
    assert {task: queries for task, queries in found.items() if queries} == {}
    assert idle == []
