"""Owns how far a coupon reaches: which periods of an item it counts, and so when it ends (billing rules 3). Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from core.periods import Cadence
from subscriptions.schedule.facts import ItemFacts, RevisionFacts, Span, SubscriptionFacts
from subscriptions.schedule.grid import service_period_at
from subscriptions.schedule.obligations import active_spans


def costs(revision: RevisionFacts) -> bool:
    """Whether its terms can come to anything."""
    return revision.discounts.percentage != 100 and bool(getattr(revision.price, "amount", True))


def charged_spans(sub: SubscriptionFacts, item: ItemFacts, cadence: Cadence) -> list[Span]:
    """When the item is active by terms of this `cadence` that cost something, in order of time: what is billed in
    another rhythm, a coupon for some periods never reduces."""
    active = active_spans(sub, item)
    return [span for revision, span in active if revision.cadence == cadence and costs(revision)]


def end_after(
    count: int,
    *,
    calendar: SubscriptionFacts,
    cadence: Cadence,
    charged: Sequence[Span],
    untouched: Sequence[Span],
    start: datetime,
) -> datetime:
    """The end of the `count`-th counted period of `cadence` from `start` (UTC) on.

    A period counts that has any time of `charged` which is not `untouched`. One without any does where nothing to come
    costs anything either, so that there is an end.
    """
    end = start
    while count:
        until = service_period_at(calendar, cadence, end).end
        parts = parts_within(charged, end, until)
        if parts:
            count -= any(not is_covered(part, untouched) for part in parts)
        else:
            count -= not any(span.end is None or span.end > until for span in charged)
        end = until
    return end


def parts_within(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    """What of `spans` lies in `[start, end)`."""
    parts = (Span(max(span.start, start), end if span.end is None else min(span.end, end)) for span in spans)
    return [part for part in parts if part.end is not None and part.start < part.end]


def is_covered(part: Span, spans: Sequence[Span]) -> bool:
    """Whether the finite `part` lies in one of `spans`, which are apart from each other, as `joined` makes them."""
    return any(
        span.start <= part.start and (span.end is None or (part.end is not None and part.end <= span.end))
        for span in spans
    )


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Finite spans in order of time; those that touch each other are one."""
    found: list[Span] = []
    for span in sorted(spans):
        last = found[-1] if found else None
        if last is not None and last.end is not None and span.end is not None and span.start <= last.end:
            found[-1] = Span(last.start, max(last.end, span.end))
        else:
            found.append(span)
    return tuple(found)


def without(spans: Iterable[Span], taken: Span) -> tuple[Span, ...]:
    """Finite `spans` less the time that is `taken`."""
    left: list[Span] = []
    for span in spans:
        assert span.end is not None and taken.end is not None
        before, after = Span(span.start, min(span.end, taken.start)), Span(max(span.start, taken.end), span.end)
        left += [part for part in (before, after) if part.end is not None and part.start < part.end]
    return tuple(left)
