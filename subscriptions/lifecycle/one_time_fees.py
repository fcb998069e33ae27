"""Decides which one-time fees a successor owes no more, and which move on to it (billing rules 10). Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from subscriptions.schedule import ItemFacts, RevisionFacts, SubscriptionFacts
from subscriptions.schedule.obligations import in_advance, is_free


@dataclass(frozen=True, slots=True)
class FeesBefore:
    """`charged` items of the successor owe no one-time fee: an item of their key and plan has charged it. `relied_on`
    are the items of the subscription before it that the successor goes on from."""

    charged: frozenset[UUID]
    relied_on: frozenset[UUID]


def fees_before(
    items: Collection[ItemFacts],
    earlier: Sequence[tuple[SubscriptionFacts, ItemFacts]],
    old: UUID | None,
    at: datetime,
) -> FeesBefore:
    """What of the one-time fees of `items`, which start at `at`, was charged by the `earlier` ones of the same plan.

    A fee in arrears of the subscription `old`, which ends at `at`, has not been charged there: it moves on, but only
    to terms that are in force then. Those of a later phase may never come, so it is charged where it was.
    """
    charged, relied_on = set(), set()
    for item in items:
        if not _fees(item):
            continue
        known = [(sub, before) for sub, before in earlier if before.key == item.key]
        taken_up = any(fee.start <= at for fee in _fees(item))
        if any(_was_charged(sub, before, taken_up and sub.id == old) for sub, before in known):
            charged.add(item.id)
        if taken_up:
            relied_on |= {before.id for sub, before in known if sub.id == old and _goes_on(before, at)}
    return FeesBefore(frozenset(charged), frozenset(relied_on))


def _fees(item: ItemFacts) -> list[RevisionFacts]:
    """Its terms that charge once, without those that were taken away."""
    return [
        revision
        for revision in item.revisions
        if revision.cadence is None and revision.price is not None and revision.end != revision.start
    ]


def _goes_on(item: ItemFacts, at: datetime) -> bool:
    return any(fee.start <= at and (fee.end is None or fee.end >= at) for fee in _fees(item))


def _was_charged(sub: SubscriptionFacts, item: ItemFacts, moves_on: bool) -> bool:
    """Whether the subscription has reached the item's fee. What was given for nothing counts where nothing else was to
    come."""
    if item.fee_charged_before:
        return True
    assert sub.end is not None
    paid = free = to_come = False
    for fee in _fees(item):
        reached = _is_reached(fee, sub.start, sub.end, moves_on or item.continued_at == sub.end)
        paid |= reached and not is_free(fee)
        free |= reached and is_free(fee)
        to_come |= not reached and not is_free(fee)
    return paid or (free and not to_come)


def _is_reached(fee: RevisionFacts, begun: datetime, ended: datetime, moves_on: bool) -> bool:
    start = max(fee.start, begun)
    if in_advance(fee):
        return start < ended or (start == ended and moves_on)
    # It falls due with the end of its terms, and at the change only where nobody goes on with it.
    return start < ended and ((fee.end is not None and fee.end < ended) or not moves_on)
