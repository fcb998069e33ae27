"""Owns which windows of a period are rated again for what came late in one of them, and by which quantities. No I/O."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce

from core.money import WIDE, ZERO
from invoicing.choices import WindowKind
from invoicing.closing.parts import before_group, other_parts
from invoicing.closing.quantities import WindowKey
from invoicing.late_usage.settled import SettledUsage
from subscriptions.schedule import Obligation
from subscriptions.schedule.facts import RevisionTerms

Rated = tuple[Obligation, RevisionTerms, Sequence[SettledUsage], Decimal]


def rated_again(
    window: Obligation,
    terms: RevisionTerms,
    late: Decimal,
    mine: Sequence[SettledUsage],
    owed: Sequence[tuple[Obligation, RevisionTerms]],
    settled: Mapping[WindowKey, SettledUsage],
) -> list[Rated]:
    """What is rated again, in order of time, each with what it is settled for and the quantity that it comes to: the
    window (settled by `mine`) with what came `late`, and those that follow in its period.

    One that comes to less than nothing takes the rest off what came before it, as far back as that goes: so the period
    as a whole comes to what it does. What was waived is not taken back.
    """
    own, key = whole_of(window), window.key
    found = [(own, terms, mine, WIDE.add(_sum(mine), late))]
    in_time = sorted(owed, key=lambda each: each[0].start)
    for other, other_terms in in_time:
        if key in keys_before(other) and other.key in settled and settled[other.key].is_final:
            found.append((other, other_terms, [settled[other.key]], settled[other.key].quantity))
    missing, rated = ZERO, list[Rated]()
    for other, other_terms, known, comes_to in reversed(found):
        comes_to = WIDE.add(comes_to, missing)
        missing = min(comes_to, ZERO)
        rated.append((other, other_terms, known, max(comes_to, ZERO)))
    before = set(keys_before(own))
    for other, other_terms in reversed(in_time):
        known_before = settled.get(other.key) if missing < 0 and other.key in before else None
        if known_before is None or not known_before.is_final or known_before.kind == WindowKind.WAIVER:
            continue
        comes_to = WIDE.add(known_before.quantity, missing)
        missing = min(comes_to, ZERO)
        rated.append((other, other_terms, [known_before], max(comes_to, ZERO)))
    return rated[::-1]


def _sum(known: Sequence[SettledUsage]) -> Decimal:
    return reduce(WIDE.add, (each.quantity for each in known), ZERO)


def whole_of(obligation: Obligation) -> Obligation:
    """The window as it is rated: the last part that is settled stands for the group up to there (billing rules 7)."""
    group = obligation.group
    if group is None:
        return obligation
    return obligation._replace(start=group.start, earlier=before_group(obligation, group), group=None)


def keys_of_parts(obligation: Obligation) -> list[WindowKey]:
    """The other parts of its group, if it has one."""
    return [] if obligation.group is None else [(use.item_id, use.start) for use in other_parts(obligation)]


def keys_before(obligation: Obligation) -> list[WindowKey]:
    """The windows that its period had before it."""
    return [(use.item_id, use.start) for use in obligation.earlier]
