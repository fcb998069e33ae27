"""Which queue each task waits in, and which workers serve which queues: the one place of both.

Tasks that take long wait apart from those that must never wait for them: a close of a million customers delays neither
the collection of what is issued, nor the heartbeat, nor notices; and a payment provider or a mail server that answers
nobody delays neither the heartbeat nor the closes. What waits for endpoints of others' programs has a worker of its
own. Names only, no Celery: what starts the services reads it, too.
"""

TICKS = "ticks"  # beat's looks at what is due: each is over in seconds, and waits for nobody outside
MONEY = "money"  # charges, refunds, dunning: waits for payment providers
NOTICES = "notices"  # mails: waits for the mail server
WEBHOOKS = "webhooks"  # waits for endpoints of anybody's
DRAFTS = "drafts"  # collects, issues; the test clock's way, which does everything
RUNS = "runs"  # shards of runs: as much as there is; rollups of events from before their meter
MOVES = "moves"  # shards of profile migrations: wait for payment providers, and compute

_TASKS = {
    TICKS: (
        "billing_site.tasks.beat_heartbeat",
        "billing_site.access.tasks.purge_idempotent_responses",
        "core.notifications.tasks.forget_events",
        "entitlements.notices.tasks.tell_entitlements",
        "entitlements.notices.tasks.forget_states",
        "invoicing.notices.tasks.tell_invoices",
        "entitlements.metering.tasks.make_event_months",
        "invoicing.runs.tasks.close_due_periods",
        "invoicing.runs.tasks.close_customers",
        "invoicing.profile_moves.tasks.work_migrations",
    ),
    MONEY: (
        "invoicing.payments.tasks.collect_invoices",
        "invoicing.payments.tasks.reconcile_payments",
        "invoicing.payments.tasks.send_refunds",
        "invoicing.payments.tasks.mark_invoices_overdue",
    ),
    NOTICES: ("core.outbox.tasks.deliver_outbox", "core.outbox.tasks.help_deliver"),
    WEBHOOKS: (
        "core.notifications.tasks.deliver_webhooks",
        "core.notifications.tasks.help_deliver_webhooks",
    ),
    DRAFTS: (
        "invoicing.runs.tasks.advance_invoices",
        "invoicing.runs.tasks.judge_drafts",
        "invoicing.runs.tasks.advance_clock",
        "invoicing.progressive.tasks.watch_spending",
        "invoicing.late_usage.tasks.find_late_usage",
    ),
    RUNS: (
        "invoicing.runs.tasks.work_next_shard",
        "invoicing.parking.tasks.release_asked",
        "entitlements.metering.tasks.build_rollups",
        "invoicing.usage_retention.tasks.drop_billed_months",
    ),
    MOVES: (
        "invoicing.profile_moves.tasks.work_next_migration_shard",
        "invoicing.profile_moves.tasks.work_out_impact",
    ),
}

ROUTES = {task: {"queue": queue} for queue, tasks in _TASKS.items() for task in tasks}
QUEUES = tuple(_TASKS)

# What waits for others (payment providers, mail servers) shares a process, many at a time; what looks at what is due
# has threads that nothing else takes; what computes has processes of its own. Who moves is asked about at a provider,
# hundreds in a row, and computed with: that has processes of its own too, and keeps neither charges nor closes waiting.
# The arguments of `celery worker`, by the name of the worker.
WORKERS = {
    "ticker": ("--queues", TICKS, "--pool", "threads", "--concurrency", "4"),
    "worker": ("--queues", f"{MONEY},{NOTICES}", "--pool", "threads", "--concurrency", "8"),
    "poster": ("--queues", WEBHOOKS, "--pool", "threads", "--concurrency", "6"),
    "runner": ("--queues", f"{RUNS},{DRAFTS}", "--concurrency", "2"),
    "mover": ("--queues", MOVES, "--concurrency", "2"),
}
