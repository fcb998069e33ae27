"""Sets the test clock, and runs in order of time everything that falls due on the way (architecture page, Clock)."""

import time
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from core import clock
from core.audit.services.record import record
from core.errors import Conflict, FieldProblem, PreconditionFailed
from core.locks import only_one
from core.outbox.models import OutboxMessage
from core.testclock.models import ClockSetting
from entitlements.models import UsageEvent
from entitlements.notices.tell_due import next_look_after
from invoicing.closing.park_customer import is_parked
from invoicing.lifecycle.draft_steps import first_step_after
from invoicing.models import BillingDue, Invoice
from invoicing.payments.mark_overdue import BECOME_OVERDUE
from invoicing.runs.run_due import run_due, unfinished_shards
from subscriptions.models import Subscription

_ADVANCE_LOCK = 0x636C6F63  # "cloc": one process advances the clock at a time
_PATIENCE = 100  # how often a moment is run again until nothing is due any more


def set_clock(*, now: datetime | None) -> ClockSetting:
    """Set the test clock to `now` (UTC; None: real time again). What falls due on the way is run by `advance_clock`.

    PreconditionFailed where the test clock is not allowed, Conflict for a time in the past once there is something to
    bill, or while the clock still advances.
    """
    if not settings.BILLING_TEST_CLOCK:
        raise PreconditionFailed(
            "The test clock is not allowed here: start with BILLING_TEST_CLOCK=1 (never in production).",
            code="test_clock_not_allowed",
        )
    with transaction.atomic():
        ClockSetting.objects.get_or_create(pk=1)
        setting = ClockSetting.objects.select_for_update().get(pk=1)
        if setting.advancing_to is not None and setting.advancing_to != now:
            raise Conflict(
                f"The clock is still advancing to {setting.advancing_to:%Y-%m-%d %H:%M:%S} UTC. Ask again when it is "
                "ready. Nothing was changed.",
                code="clock_advancing",
            )
        current = setting.now or clock.real_now()
        target = now or clock.real_now()
        if _anything_to_bill():
            if target < current:
                raise Conflict(
                    f"The clock stands at {current:%Y-%m-%d %H:%M:%S} UTC and only goes forward once there is a "
                    "subscription, an invoice or an event. Nothing was changed.",
                    code="clock_goes_forward",
                    problems=[FieldProblem("now", "in_the_past", "lies before the clock's time")],
                )
            if now is None:
                setting.now, setting.advancing_to = None, None
            else:
                setting.now, setting.advancing_to = current, now
        else:
            setting.now, setting.advancing_to = now, None
        setting.save()
        record(verb="set_clock", target=setting, did=f"set the test clock to {now.isoformat() if now else 'real time'}")
    return setting


def advance_clock() -> bool:
    """Take the clock to where it is heading, stopping at each moment at which something falls due.

    Safe to run in many processes and after a crash: one advances, the others return False at once, and whoever comes
    after a crash goes on from the stored time.
    """
    with only_one(_ADVANCE_LOCK) as mine:
        if not mine:
            return False
        while (setting := ClockSetting.objects.filter(advancing_to__isnull=False).first()) is not None:
            assert setting.now is not None and setting.advancing_to is not None
            _settle(setting.now)
            upcoming = next_moment(after=setting.now)
            target = setting.advancing_to
            if upcoming is not None and upcoming <= target:
                ClockSetting.objects.filter(pk=1).update(now=upcoming)
                continue
            if setting.now < target:
                ClockSetting.objects.filter(pk=1).update(now=target)
                _settle(target)
            ClockSetting.objects.filter(pk=1, advancing_to=target).update(advancing_to=None)
    return True


def next_moment(*, after: datetime) -> datetime | None:
    """The first time after `after` at which something falls due."""
    moments = [
        BillingDue.objects.filter(~is_parked(), due_at__gt=after).aggregate(at=Min("due_at"))["at"],
        first_step_after(after),
        Invoice.objects.filter(next_collection_at__gt=after).aggregate(at=Min("next_collection_at"))["at"],
        Invoice.objects.filter(
            issued_at__isnull=False, status__in=BECOME_OVERDUE, due__gt=0, due_at__gt=after
        ).aggregate(at=Min("due_at"))["at"],
        next_look_after(after),
        OutboxMessage.objects.filter(due_at__gt=after).aggregate(at=Min("due_at"))["at"],
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _settle(moment: datetime) -> None:
    """Run what is due at `moment` until nothing is, and wait for the shards that other workers hold."""
    with clock.frozen_at(moment):
        for _ in range(_PATIENCE):
            if not run_due(as_of=moment):
                break
        while unfinished_shards():
            time.sleep(0.05)
            run_due(as_of=moment)


def _anything_to_bill() -> bool:
    return Subscription.objects.exists() or Invoice.objects.exists() or UsageEvent.objects.exists()
