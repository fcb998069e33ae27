"""Owns the difference: what ought to be billed against what is billed or waiting, for one customer. Pure.

A window that is not settled yet becomes a line, or changes the one that waits for it. A settled window on a draft
changes that draft's line. One on an issued invoice gets an amendment that charges exactly what is missing. One that
reaches beyond the time in which its item is active ends there, and what was not used comes back. A window that is
billed in parts has a row of its own, the group, which waits with the last of them and goes where that goes.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from core.ids import new_id
from invoicing.corrections.unused_time import UnusedTime, find_unused_times
from invoicing.windows.billed_and_waiting import Billed, PendingLine
from subscriptions.schedule import Component, Obligation, obligations
from subscriptions.schedule.facts import LoadedSubscription, RevisionTerms


@dataclass(slots=True)
class PlannedLine:
    """A line that ought to stand: on the gathering invoice until it is collected, then on a standard one. It falls due
    at `invoice_at`, and is collected at `collect_at`: then, or later, where the customer is collected on a rhythm.

    `waiting` is the gathering line that it already is, if any. `amends` is the settled window that it adds to; it then
    charges `components` only, on top of those `billed` already. `on_draft` is the draft line that it replaces in place.
    """

    obligation: Obligation
    terms: RevisionTerms
    components: tuple[Component, ...]
    invoice_at: datetime
    waiting: PendingLine | None = None
    amends: Billed | None = None
    on_draft: Billed | None = None
    billed: tuple[Component, ...] = ()
    group: "PlannedGroup | None" = None
    collect_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.collect_at = self.invoice_at

    @property
    def changes_waiting_line(self) -> bool:
        """Whether the gathering line no longer says what it should."""
        waiting = self.waiting
        return waiting is not None and (
            waiting.start != self.start
            or waiting.end != self.end
            or waiting.invoice_at != self.invoice_at
            or waiting.revision_id != self.obligation.revision.id
            or waiting.components != self.components
            or waiting.is_group
        )

    @property
    def subscription_id(self) -> uuid.UUID:
        return self.obligation.subscription.id

    @property
    def start(self) -> datetime:
        return self.obligation.start if self.amends is None else min(part.start for part in self.components)

    @property
    def end(self) -> datetime:
        return self.obligation.end


@dataclass(slots=True)
class PlannedGroup:
    """The row of a window that is billed in parts (billing rules 7): the line that it was before the first split, if it
    `waiting` there. It stands where the `last` of its parts does."""

    id: uuid.UUID
    waiting: PendingLine | None
    last: PlannedLine | None = None

    @property
    def changes_waiting_line(self) -> bool:
        """Whether the row on the gathering invoice no longer says what it should."""
        waiting, last = self.waiting, self.last
        if waiting is None or last is None:
            return False
        assert last.obligation.group is not None
        return (
            not waiting.is_group
            or waiting.end != last.obligation.group.end
            or waiting.invoice_at != last.invoice_at
            or waiting.revision_id != last.obligation.revision.id
        )


@dataclass(slots=True)
class Plan:
    """What a close will do for one customer before anything is rated."""

    lines: list[PlannedLine] = field(default_factory=list)
    unused_times: list[UnusedTime] = field(default_factory=list)
    obsolete: list[PendingLine] = field(default_factory=list)
    # Rows of windows of which no part is billed any more, though some were.
    obsolete_groups: list[PendingLine] = field(default_factory=list)
    # Settled fees that last longer than they were to: their end was taken back. `end` is the new one already.
    grown: list[Billed] = field(default_factory=list)
    # Moments at which usage was settled, and its period goes on all the same: each is a split from now on, by item.
    splits: list[tuple[uuid.UUID, datetime]] = field(default_factory=list)
    # Windows that will end early later: of which subscription, when, and the window's start.
    wakes: list[tuple[uuid.UUID, datetime, datetime]] = field(default_factory=list)


def plan_customer(
    subscriptions: Sequence[LoadedSubscription],
    pending: Sequence[PendingLine],
    billed: Mapping[tuple[uuid.UUID, datetime], Billed],
    as_of: datetime,
    collects: Callable[[uuid.UUID, datetime], datetime] = lambda subscription_id, due_at: due_at,
    now: datetime | None = None,
) -> Plan:
    """Everything that ought to stand for one customer as of `as_of`, due or waiting. `collects` says when what a
    subscription lets fall due at a time is collected. Where `now` is later, what waits since `as_of` waits on."""
    plan = Plan()
    waiting: dict[tuple[uuid.UUID, datetime], PendingLine] = {}
    waiting_amendments: dict[uuid.UUID, PendingLine] = {}
    groups = _Groups()
    for line in pending:
        if line.is_group and line.item_id is not None:
            groups.rows[(line.item_id, line.start)] = line
        elif line.window_id is not None:
            waiting_amendments[line.window_id] = line
        elif line.item_id is not None:
            waiting[(line.item_id, line.start)] = line
    for subscription in subscriptions:
        _plan_subscription(subscription, billed, waiting, waiting_amendments, groups, as_of, plan)
    if now is not None and now > as_of and (waiting or waiting_amendments or groups.rows):
        begun = _begun_between(subscriptions, billed, as_of, now)
        later = {window.id for key, window in billed.items() if key in begun}
        waiting = {key: line for key, line in waiting.items() if key not in begun}
        waiting_amendments = {key: line for key, line in waiting_amendments.items() if key not in later}
        groups.rows = {key: line for key, line in groups.rows.items() if key not in begun}
    plan.obsolete_groups = list(groups.rows.values())
    plan.obsolete = [*waiting.values(), *waiting_amendments.values()]
    for planned in plan.lines:
        planned.collect_at = collects(planned.obligation.subscription.id, planned.invoice_at)
    plan.unused_times = [
        replace(each, collect_at=collects(each.subscription.id, each.due_at)) for each in plan.unused_times
    ]
    return plan


def _begun_between(
    subscriptions: Sequence[LoadedSubscription],
    billed: Mapping[tuple[uuid.UUID, datetime], Billed],
    as_of: datetime,
    now: datetime,
) -> set[tuple[uuid.UUID, datetime]]:
    """The windows that are owed at `now`, and groups of them, of which a close as of `as_of` says nothing: what waits
    for them stays."""
    owed, known = (
        {
            key
            for subscription in subscriptions
            for obligation in _obligations(subscription, billed, (), moment, Plan())
            for key in (obligation.key, (obligation.item.id, (obligation.group or obligation).start))
        }
        for moment in (now, as_of)
    )
    return owed - known


def _plan_subscription(
    subscription: LoadedSubscription,
    billed: Mapping[tuple[uuid.UUID, datetime], Billed],
    waiting: dict[tuple[uuid.UUID, datetime], PendingLine],
    waiting_amendments: dict[uuid.UUID, PendingLine],
    groups: "_Groups",
    as_of: datetime,
    plan: Plan,
) -> None:
    gone: set[uuid.UUID] = set()
    for unused_time in find_unused_times(subscription.facts, billed):
        unused_time.billed.end = unused_time.at
        if unused_time.due_at <= as_of:
            plan.unused_times.append(unused_time)
            if unused_time.vanishes:
                gone.add(unused_time.billed.id)
        else:
            # What comes back comes back when the time ends: until then the change can be taken back, too.
            plan.wakes.append((subscription.facts.id, unused_time.due_at, unused_time.billed.start))
    for obligation in _obligations(subscription, billed, gone, as_of, plan):
        terms = subscription.terms[obligation.revision.id]
        settled = billed.get(obligation.key)
        line: PlannedLine | None
        if settled is None or settled.id in gone:
            line = PlannedLine(obligation, terms, obligation.components, obligation.invoice_at)
            if obligation.group is not None:
                groups.add(line, waiting, billed)
            line.waiting = waiting.pop(obligation.key, None)
            if groups.rows and obligation.group is None and obligation.key in groups.rows:
                # What was split is one again.
                line.waiting = groups.rows.pop(obligation.key)
        else:
            if _lasts_longer(obligation, settled):
                settled.end = obligation.settles_until
                plan.grown.append(settled)
            line = _against_settled(obligation, terms, settled, waiting_amendments)
        if line is not None:
            plan.lines.append(line)


class _Groups:
    """The windows of a customer that are billed in parts, while they are planned. `rows` are those that wait and are
    not taken up yet."""

    def __init__(self) -> None:
        self.rows: dict[tuple[uuid.UUID, datetime], PendingLine] = {}
        self._planned: dict[tuple[uuid.UUID, datetime], PlannedGroup] = {}

    def add(
        self,
        line: PlannedLine,
        waiting: dict[tuple[uuid.UUID, datetime], PendingLine],
        billed: Mapping[tuple[uuid.UUID, datetime], Billed],
    ) -> None:
        """Let `line`, a part, know its group. The line that waits for the whole becomes the group's row. Where the last
        part is settled the row is on its invoice, and a part that is billed again goes without."""
        whole = line.obligation.group
        assert whole is not None
        item_id = line.obligation.item.id
        if (item_id, whole.parts[-1].start) in billed:
            return
        key = (item_id, whole.start)
        group = self._planned.get(key)
        if group is None:
            row = self.rows.pop(key, None) or waiting.pop(key, None)
            group = self._planned[key] = PlannedGroup(new_id() if row is None else row.id, row)
        line.group = group
        if line.obligation.is_last_part:
            group.last = line


def _obligations(
    subscription: LoadedSubscription,
    billed: Mapping[tuple[uuid.UUID, datetime], Billed],
    gone: Container[uuid.UUID],
    as_of: datetime,
    plan: Plan,
) -> list[Obligation]:
    """What the subscription owes, its usage cut where it was settled up to: an end that was taken back makes no billed
    quantity count for more time than it was taken from (billing rules 13, point 8)."""
    facts = subscription.facts
    done = {key for key, window in billed.items() if window.id not in gone}
    while True:
        owed = list(obligations(facts, since=subscription.reconcile_from, as_of=as_of, settled=done))
        splits: dict[uuid.UUID, datetime] = {}
        for obligation in owed:
            settled = billed.get(obligation.key)
            if settled is None or settled.id in gone or obligation.is_flat or not _lasts_longer(obligation, settled):
                continue
            end = settled.end
            # What a cut does not shorten, such as usage without a cadence, is not cut again.
            if end is not None and obligation.start < end and end not in obligation.item.cuts:
                splits.setdefault(obligation.item.id, end)
        if not splits:
            return owed
        plan.splits += splits.items()
        items = tuple(
            replace(item, splits=tuple(sorted({*item.splits, splits[item.id]}))) if item.id in splits else item
            for item in facts.items
        )
        facts = replace(facts, items=items)


def _lasts_longer(obligation: Obligation, settled: Billed) -> bool:
    """Whether the window was settled up to an end that is none any more: of a pause, a cancelation or an edit that was
    taken back before it began."""
    until = obligation.settles_until
    return settled.end is not None and (until is None or until > settled.end)


def _against_settled(
    obligation: Obligation,
    terms: RevisionTerms,
    settled: Billed,
    waiting_amendments: dict[uuid.UUID, PendingLine],
) -> PlannedLine | None:
    """What a settled window still lacks. Usage was fixed by its snapshot: what comes later is late usage, not ours."""
    if not settled.is_charge or not settled.lines or not obligation.is_flat:
        return None
    billed = [part for line in settled.lines for part in line.components] if settled.on_draft else settled.components
    whole = not obligation.is_recurring or not obligation.subscription.prorate
    missing = missing_components(obligation.components, billed, whole=whole)
    if not missing:
        return None
    if settled.on_draft:
        return PlannedLine(obligation, terms, obligation.components, obligation.invoice_at, on_draft=settled)
    return PlannedLine(
        obligation,
        terms,
        missing,
        invoice_at=min(component.start for component in missing),
        waiting=waiting_amendments.pop(settled.id, None),
        amends=settled,
        billed=tuple(billed),
    )


def missing_components(
    wanted: Sequence[Component], billed: Sequence[Component], *, whole: bool = False
) -> tuple[Component, ...]:
    """What must be added to `billed` to make it `wanted`: parts to charge, then parts to take back (negative).

    Parts are the same when quantity and time are: what they are a fraction of follows. Of what is charged `whole`,
    however long it lasts, only the start counts: a one-time fee ends with the period in which it happens to be shown,
    and one that is not prorated costs the same where it ends early. Each part rounds as it did when it was billed, so
    the sum comes to the cent. Parts of no quantity cost nothing: there is nothing to add or take back.
    """
    wanted, billed = [part for part in wanted if part.quantity], [part for part in billed if part.quantity]
    known = {_identity(part, whole): part for part in (*billed, *wanted)}
    want = Counter(_identity(part, whole) for part in wanted)
    have = Counter(_identity(part, whole) for part in billed)
    for identity in list(have):
        # What one amendment charged and a later one took back is as if it had never been billed.
        opposite = (-identity[0], *identity[1:])
        both = min(have[identity], have[opposite]) if opposite != identity else 0
        have[identity] -= both
        have[opposite] -= both
    charge = [known[identity] for identity in (want - have).elements()]
    take_back = [known[identity]._replace(quantity=-identity[0]) for identity in (have - want).elements()]
    parts = charge + take_back
    # The same quantity from another moment on costs the same where time plays no part.
    return () if whole and not sum(part.quantity for part in parts) else tuple(parts)


def _identity(part: Component, whole: bool) -> tuple[Decimal, datetime, datetime | None]:
    return (part.quantity, part.start, None if whole else part.end)
