"""Does everything that is due: closes, moves drafts and looks at those that wait, collects, marks overdue, tells of
entitlements, bills who has reached a threshold, delivers mail."""

from datetime import datetime

from core import clock
from core.outbox.services.deliver import deliver_due
from entitlements.notices.tell_due import tell_due
from invoicing.choices import RunStatus, RunTrigger
from invoicing.drafts.advance_invoice import advance_due
from invoicing.drafts.judge_drafts import judge_waiting
from invoicing.late_usage.find_late_usage import find_late_usage
from invoicing.models import BillingRun, RunShard
from invoicing.payments.collect import collect_due
from invoicing.payments.end_dunning import end_dunning
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.progressive.watch_spending import watch_spending
from invoicing.runs.start_run import start_run
from invoicing.runs.work_shard import Progress, work_shard


def close_now(*, as_of: datetime, trigger: str) -> BillingRun | None:
    """Start a run up to `as_of` and work it off in this process; None when nothing was due."""
    run = start_run(as_of=as_of, trigger=trigger)
    if run is None:
        return None
    work_off(run)
    run.refresh_from_db()
    return run


def work_off(run: BillingRun, *, progress: Progress | None = None) -> None:
    """Work off the shards of `run` that nobody else holds."""
    for shard_id in list(run.shards.exclude(status=RunStatus.DONE).values_list("id", flat=True)):
        work_shard(shard_id, progress=progress)


def run_due(*, as_of: datetime) -> int:
    """Everything that is due by `as_of`, in the order of an invoice's life; returns how many things were done."""
    done = 0
    for unfinished in BillingRun.objects.exclude(status=RunStatus.DONE).order_by("created_at"):
        work_off(unfinished)
    # Before the close: what terms bill by themselves goes along with what is due now.
    find_late_usage()
    run = close_now(as_of=as_of, trigger=RunTrigger.CLOCK)
    done += run.customer_count if run is not None else 0
    done += advance_due(as_of=as_of)
    done += judge_waiting()
    # What was issued meanwhile is charged, too.
    done += collect_due(as_of=max(as_of, clock.now()))
    done += mark_overdue(as_of=as_of)
    done += end_dunning(as_of=as_of)
    # Usage that it finds changed is what spending is watched by.
    done += tell_due()
    done += watch_spending()
    done += deliver_due()
    return done


def unfinished_shards() -> bool:
    """Whether a run is still under way, in whichever process."""
    return RunShard.objects.exclude(status=RunStatus.DONE).exists()
