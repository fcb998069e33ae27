"""Shows what follows: the closes to come are made as they will be, in a transaction that is rolled back.

A preview is the same computation without the write (billing rules 10): the facts of a change are written, the clock is
put forward from one moment at which something falls due to the next, and what has come about is read off the tables.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core import clock
from invoicing.closing.rhythm import Rhythm, rhythm_for
from invoicing.lifecycle.numbering import uncounted
from invoicing.previews.fall_due import Upcoming, charge, close_due, move_drafts_on, upcoming_of
from invoicing.previews.outlook import Outlook
from invoicing.previews.read_outlook import Known, Reached, known_of, read_outlooks

# How many closes are made one by one up to the change, and behind it. What is due beyond the first is shown as one.
MOST_BEFORE = 36
MOST_AFTER = 12


@dataclass(frozen=True, slots=True)
class LookAhead:
    """A look ahead for one customer, in the caller's transaction, which holds the customer's lock. `begin` it before
    anything is changed. For an outlook the transaction has its numbers `uncounted`, and is rolled back.

    A fixed number of queries for each close, of which there are `MOST_BEFORE + MOST_AFTER` at most, and for each step
    of a draft.
    """

    customer_id: uuid.UUID
    now: datetime
    known: Known
    rhythm: Rhythm

    @classmethod
    def begin(cls, customer_id: uuid.UUID) -> "LookAhead":
        return cls(customer_id, clock.now(), known_of([customer_id]), rhythm_for(customer_id))

    def outlook(self, *, effect: datetime, watched: set[uuid.UUID]) -> Outlook:
        """What follows a change until `effect`, and on until each item of the subscriptions `watched` has been billed
        once more, and what was drafted by then is issued; behind `effect`, no more than `MOST_AFTER` closes. Of a
        parked customer, whose money waits, what there is."""
        # What the change itself has made is charged at once.
        charge([self.customer_id], until=self.now)
        return self._read(self._go(max(effect, self.now), watched))

    def until(self, moment: datetime) -> Outlook:
        """What follows up to `moment`, which is to come, and nothing behind it: what is a draft then is shown as one.
        What is due already is done first."""
        return self._read(self._go(moment, None))

    def next_bill(self) -> Outlook:
        """What follows up to the next close that collects, until what was drafted by then is issued; where there is no
        more to close, until the drafts are issued."""
        upcoming = upcoming_of(self.customer_id)
        return self._read(self._go(max(self._collected(upcoming.close_at) or upcoming.at or self.now, self.now), ()))

    def glimpse(self, *, effect: datetime) -> Outlook:
        """The outlook until `effect`, from within a transaction that is kept."""
        with transaction.atomic(), uncounted():
            outlook = self.outlook(effect=effect, watched=set())
            transaction.set_rollback(True)
        return outlook

    def _read(self, reached: Reached) -> Outlook:
        return read_outlooks(self.known, {self.customer_id: reached})[self.customer_id]

    def _go(self, effect: datetime, watched: Collection[uuid.UUID] | None) -> Reached:
        """Live until `effect`; and behind it, unless nothing (None) is watched there."""
        reached = Reached(self.now)
        steps = before = after = 0
        horizon: datetime | None = None
        while (upcoming := self._upcoming(reached, watched or ())).at is not None:
            at = max(upcoming.at, reached.moment)
            if at == reached.moment and steps:
                # What is due can't be done: a close would try it again, and so on.
                break
            if at > effect:
                if watched is None:
                    break
                horizon = horizon or self._collected(upcoming.gathered_until) or effect
                # A draft that has been made by then is still followed until it is issued.
                if upcoming.closes and (at > horizon or after >= MOST_AFTER):
                    break
                after += upcoming.closes
            else:
                before += upcoming.closes
                if before > MOST_BEFORE and at < effect:
                    reached.gathered_from, reached.gathered_at = at, effect
                    at = effect
            steps += 1
            self._live(reached, upcoming, at)
        if reached.problem is None:
            reached.moment = max(reached.moment, effect)
        return reached

    def _collected(self, due_at: datetime | None) -> datetime | None:
        return None if due_at is None else self.rhythm.collects(due_at)

    def _upcoming(self, reached: Reached, watched: Collection[uuid.UUID]) -> Upcoming:
        """What is next; once billing has stopped, only the drafts go on."""
        upcoming = upcoming_of(self.customer_id, watched)
        if upcoming.parked is not None and reached.problem is None:
            reached.stop(upcoming.parked)
        return Upcoming(None, upcoming.draft_at) if reached.problem else upcoming

    def _live(self, reached: Reached, upcoming: Upcoming, at: datetime) -> None:
        """Do for the customer what is due at `at`, in the order of an invoice's life."""
        mine = [self.customer_id]
        if at > reached.moment:
            charge(mine, until=at, inclusive=False)
        reached.moment = at
        with clock.frozen_at(at):
            if upcoming.close_at is not None and upcoming.close_at <= at:
                problem = close_due(mine, as_of=at).get(self.customer_id)
                if problem is not None:
                    reached.stop(problem)
            move_drafts_on(mine, as_of=at)
            charge(mine, until=at)
