"""Lets time pass in the demo company: steps happen when they happened, and everything due between them is done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core import clock
from core.approvals.limits import approved
from core.audit.actors import Actor, acting_as
from invoicing.choices import RunTrigger
from invoicing.drafts.advance_invoice import advance_due
from invoicing.drafts.judge_drafts import judge_waiting
from invoicing.late_usage.find_late_usage import find_late_usage
from invoicing.payments.collect import collect_due
from invoicing.payments.mark_overdue import mark_overdue
from invoicing.runs.advance_clock import next_moment
from invoicing.runs.run_due import close_now


@dataclass(frozen=True, slots=True)
class Step:
    """Something that `actor` did at `at` (UTC). An act that returns 0 has changed nothing that may fall due."""

    at: datetime
    actor: Actor
    act: Callable[[], int | None]


class History:
    """Where time stands. What falls due after `end` stays undone."""

    def __init__(self, *, start: datetime, end: datetime) -> None:
        self._now, self._end = start, end
        self._upcoming: datetime | None = None

    def take(self, step: Step) -> None:
        """Do everything due before the step, then the step. Steps come in order of time.

        At one and the same moment the step comes first, so that usage sent at a period's end is in that period.
        """
        self._live_until(step.at)
        with clock.frozen_at(step.at), acting_as(step.actor), approved():
            done = step.act()
        if done != 0 and step.at <= self._end:
            self._settle(step.at)

    def finish(self) -> None:
        """Do everything due up to the end, and have what waits for staff found: late usage, unusual drafts."""
        self._live_until(self._end)
        find_late_usage()
        judge_waiting()

    def _live_until(self, moment: datetime) -> None:
        moment = min(moment, self._end)
        while self._upcoming is not None and self._upcoming < moment:
            self._settle(self._upcoming)

    def _settle(self, moment: datetime) -> None:
        """As worker and beat would have done at `moment`: close, advance, collect, mark what is overdue."""
        with clock.frozen_at(moment):
            close_now(as_of=moment, trigger=RunTrigger.SCHEDULE)
            advance_due(as_of=moment)
            collect_due(as_of=moment)
            mark_overdue(as_of=moment)
        self._now = moment
        self._upcoming = next_moment(after=moment)
