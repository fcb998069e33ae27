"""Decides which usage items continue their period across a change of plan (billing rules 10). Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from subscriptions.schedule import ItemFacts, RevisionFacts, SubscriptionFacts, service_period_at
from subscriptions.schedule.facts import EarlierUse, Span
from subscriptions.schedule.obligations import active_spans, goes_on, uses_of


@dataclass(frozen=True, slots=True)
class Takeover:
    """`item_id` takes the running period over from `from_item_id`, with what that one had used of it."""

    item_id: UUID
    from_item_id: UUID
    earlier: tuple[EarlierUse, ...]

    def as_json(self) -> list[dict[str, str]]:
        """As `SubscriptionItem.earlier_use` stores it."""
        return [
            {"item": str(use.item_id), "from": use.start.isoformat(), "to": use.end.isoformat()} for use in self.earlier
        ]


def takeovers(old: SubscriptionFacts, new: SubscriptionFacts, at: datetime) -> list[Takeover]:
    """The items of `new`, which starts at `at` where `old` ends, that continue the period of an item of the same key.

    Both must be priced by usage there, count the same feature, and have the same cadence and boundaries. A period that
    begins at `at` has nothing to take over.
    """
    olds = {item.key: item for item in old.items}
    found = []
    for item in new.items:
        before = olds.get(item.key)
        if before is None:
            continue
        then, now = _priced_until(old, before, at), _priced_from(item, at)
        if then is None or now is None or then.cadence != now.cadence or then.feature_id != now.feature_id:
            continue
        assert now.cadence is not None
        period = service_period_at(new, now.cadence, at)
        if period.start == at or service_period_at(old, now.cadence, at).start != period.start:
            continue
        earlier: list[EarlierUse] = []
        first = _first_by_usage(before)
        if first is not None and goes_on(first, now):
            earlier += [use for use in before.earlier if period.start <= use.start]
        earlier += uses_of(before, active_spans(old, before), now, Span(period.start, at))
        found.append(Takeover(item.id, before.id, tuple(earlier)))
    return found


def _priced_until(old: SubscriptionFacts, item: ItemFacts, at: datetime) -> RevisionFacts | None:
    """The usage-priced revision in force just before `at`, also where the subscription had no time at all."""
    for revision in item.revisions:
        ended = revision.end is not None and revision.end < at
        begun = revision.start < at or revision.start == old.start
        if begun and not ended and (revision.end is None or revision.end > revision.start) and _by_usage(revision):
            return revision
    return None


def _first_by_usage(item: ItemFacts) -> RevisionFacts | None:
    """The terms that what the item took over counts for, also where the subscription had no time at all."""
    known = (revision for revision in item.revisions if revision.end is None or revision.end > revision.start)
    return next((revision for revision in known if _by_usage(revision)), None)


def _priced_from(item: ItemFacts, at: datetime) -> RevisionFacts | None:
    for revision in item.revisions:
        if revision.start <= at and (revision.end is None or revision.end > at) and _by_usage(revision):
            return revision
    return None


def _by_usage(revision: RevisionFacts) -> bool:
    return revision.price is not None and not revision.price.is_flat and revision.cadence is not None
