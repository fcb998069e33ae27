"""Splits the running periods of a customer's usage, so that what was used up to a moment can be billed (billing rules
7)."""

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.errors import FieldProblem, InvalidInput
from core.money import ZERO
from invoicing.closing.close import compute, returns_none, select_none, store
from invoicing.closing.load import LoadedCustomer, load_batch
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.plan import PlannedLine
from invoicing.progressive.splittable import WORDS, Unsplittable, why_not_split
from subscriptions.lifecycle.record_progressive_splits import record_progressive_splits, take_back_progressive_splits
from subscriptions.schedule import Obligation, obligations


@dataclass(slots=True)
class SplitPeriods:
    """What a split came to: the windows (by item and start) that end with it now, the waiting lines (by id) that could
    not be split, each with why, and those that were not because what was used costs nothing."""

    parts: set[tuple[uuid.UUID, datetime]] = field(default_factory=set)
    whole: dict[uuid.UUID, Unsplittable] = field(default_factory=dict)
    empty: set[uuid.UUID] = field(default_factory=set)

    def takes(self, line: PlannedLine | ManualLine) -> bool:
        """Whether the line is one of the parts that the split made."""
        return isinstance(line, PlannedLine) and line.obligation.key in self.parts

    def why_whole(self, line_ids: Collection[uuid.UUID]) -> str:
        """Why those of these lines that are unsplittable are, in words; or nothing."""
        causes = sorted({self.whole[line_id] for line_id in line_ids if line_id in self.whole})
        return "; ".join(WORDS[cause] for cause in causes)


def split_periods(
    customer_id: uuid.UUID,
    *,
    as_of: datetime,
    line_ids: Collection[uuid.UUID] | None = None,
    currency: str | None = None,
    is_chosen: bool = True,
    at_least: Decimal = ZERO,
) -> SplitPeriods:
    """Split the lines of the customer's usage that are running at `as_of` (UTC, not in the future), or of those only
    `line_ids` or those in `currency`: the part up to then waits, due, for an invoice, and the rest for the next one.

    What would come to nothing is not split, and nothing is where all of it would come to less than `at_least`, net. In
    the caller's transaction, which holds the customer's lock. InvalidInput where `as_of`, if somebody has chosen it, is
    not after the last split: nothing was changed.
    """
    batch = load_batch([customer_id])
    loaded = batch.customers[0]
    split = SplitPeriods()
    running: dict[tuple[uuid.UUID, datetime], uuid.UUID] = {}
    waiting_for: dict[tuple[uuid.UUID, datetime], set[uuid.UUID]] = {}
    for obligation in _running(loaded, as_of, None if line_ids is None else frozenset(line_ids), currency):
        why = why_not_split(obligation.revision, batch.features)
        if why is not None:
            split.whole |= dict.fromkeys(_ids_of(loaded, obligation), why)
            continue
        if obligation.group is not None and obligation.group.start < as_of <= obligation.group.ends[-1]:
            if is_chosen:
                _refuse_before(obligation.group.ends[-1], as_of)
            continue
        if obligation.start < as_of < obligation.end:
            running[obligation.key] = obligation.item.id
            waiting_for[obligation.key] = _ids_of(loaded, obligation)
    if running:
        record_progressive_splits(set(running.values()), at=as_of)
        nets = _nets_of(customer_id, as_of, running)
        if sum(nets.values(), ZERO) >= at_least:
            split.parts = {key for key, net in nets.items() if net}
        for key in running.keys() - split.parts:
            take_back_progressive_splits(running[key], [as_of])
            split.empty |= waiting_for[key]
    if split.parts:
        # The rows: the line becomes the group, and its parts wait.
        waiting = compute([customer_id], as_of=as_of, select=select_none, give_back=returns_none).or_refuse()
        store(waiting, as_of=as_of, run_id=None)
    return split


def _running(
    loaded: LoadedCustomer, as_of: datetime, line_ids: frozenset[uuid.UUID] | None, currency: str | None
) -> Iterator[Obligation]:
    """The windows of usage that are not settled and have begun by `as_of`, or whose group has."""
    for subscription in loaded.subscriptions:
        facts = subscription.facts
        if currency is not None and facts.currency != currency:
            continue
        for obligation in obligations(facts, since=subscription.reconcile_from, as_of=as_of, settled=loaded.billed):
            begin = obligation.group.start if obligation.group is not None else obligation.start
            if obligation.key in loaded.billed or begin >= as_of or obligation.end <= as_of:
                continue
            if line_ids is None or not line_ids.isdisjoint(_ids_of(loaded, obligation)):
                yield obligation


def _ids_of(loaded: LoadedCustomer, obligation: Obligation) -> set[uuid.UUID]:
    """The lines that wait for the window, and for the group that it is a part of."""
    begin = obligation.group.start if obligation.group is not None else obligation.start
    return {
        line.id
        for line in loaded.pending
        if line.item_id == obligation.item.id
        and (line.start == obligation.start or (line.is_group and line.start == begin))
    }


def _nets_of(
    customer_id: uuid.UUID, as_of: datetime, running: dict[tuple[uuid.UUID, datetime], uuid.UUID]
) -> dict[tuple[uuid.UUID, datetime], Decimal]:
    """What each of the windows that end at `as_of` now would be billed for, before credits and tax."""

    def ends_now(line: PlannedLine | ManualLine) -> bool:
        return isinstance(line, PlannedLine) and line.obligation.key in running and line.obligation.end == as_of

    computed = compute([customer_id], as_of=as_of, select=ends_now, give_back=returns_none).or_refuse()
    return {
        line.planned.obligation.key: line.net
        for close in computed.closes
        for document in close.invoices
        for line in document.lines
        if isinstance(line.planned, PlannedLine)
    }


def _refuse_before(last: datetime, as_of: datetime) -> None:
    raise InvalidInput(
        f"What was used up to {last:%Y-%m-%d %H:%M:%S} UTC is billed already, so it can't be split at "
        f"{as_of:%Y-%m-%d %H:%M:%S} UTC. Nothing was invoiced. Choose a later time.",
        problems=[FieldProblem("asOf", "before_last_split", "must be after the last split")],
    )
