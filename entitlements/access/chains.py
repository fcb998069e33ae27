"""Owns how a burn-down goes on from one managed entitlement to the next, when a change of plan or an edit replaces its
terms.

The amount that the terms issue is replaced: for the whole usage period where that period goes on, so that 3 used of
50,000 become 3 used of 550,000 (billing rules 9). What staff did stays: grants move along with what is left of them,
because their burn-down runs on from the first entitlement of the chain; so do resets, and the anchor that they moved,
also where a change in the past takes their time away from the entitlement that was reset. All of it is read from the
rows each time, so that a change that is only scheduled, usage that comes late and a grant that is voided all count as
they should. Where terms in between had no limit, what was used meanwhile counts for nothing.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from core.many_ids import among
from core.periods import Period
from entitlements.access.burndown import GrantFacts, ResetFacts, Rhythm, Timeline, all_resets, counted_from
from entitlements.access.facts import schedule_of, timeline_of
from entitlements.models import Entitlement, Grant

_TICK = datetime.resolution


def chained_timelines(
    entitlements: Iterable[Entitlement], earlier: Mapping[uuid.UUID, Entitlement] | None = None
) -> dict[uuid.UUID, Timeline]:
    """The timeline of each of these metered entitlements, with what it takes over from those that it continues. They
    should have their grants and resets loaded. Three queries more where any continues another, unless these are given
    as `earlier`."""
    entitlements = list(entitlements)
    earlier = _earlier(entitlements) if earlier is None else earlier
    return {each.pk: _timeline([*_before(each, earlier), each]) for each in entitlements}


def chained_schedule(entitlement: Entitlement) -> Timeline | None:
    """Its usage periods, without grants, as what it continues makes them; None where it has none. Its resets should be
    loaded, and the `managed_entitlements` of its customer (`selectors.with_managed`)."""
    if entitlement.continues_id is None or entitlement.measure_usage_from is None:
        return schedule_of(entitlement)
    earlier = {each.pk: each for each in vars(entitlement.customer)["managed_entitlements"]}
    return replace(_timeline([*_before(entitlement, earlier), entitlement], with_grants=False), grants=())


def carried_grants(entitlement: Entitlement) -> list[Grant]:
    """What staff granted on those that `entitlement` continues, voided and expired ones too. Three queries where it
    continues any."""
    before = _before(entitlement, _earlier([entitlement]))
    return [grant for each in reversed(before) for grant in each.grants.all() if not grant.issued]


def carrier_at(entitlement: Entitlement, moment: datetime) -> Entitlement:
    """Whichever entitlement goes on with the grants of `entitlement` at `moment`: itself, or the one that is in its
    place then. With its facts. At most five queries."""
    if entitlement.managed_in is None:
        return entitlement
    theirs = _with_facts().filter(customer_id=entitlement.customer_id, feature_key=entitlement.feature_key)
    rows = {row.pk: row for row in theirs}
    for row in rows.values():
        if row.active_from <= moment and (row.active_to is None or moment < row.active_to):
            return row if any(each.pk == entitlement.pk for each in _before(row, rows)) else entitlement
    return entitlement


def _with_facts() -> QuerySet[Entitlement]:
    grants = Prefetch("grants", Grant.objects.order_by("created_at", "id"))
    return Entitlement.objects.filter(managed_in__isnull=False).prefetch_related(grants, "resets")


def _earlier(entitlements: list[Entitlement]) -> dict[uuid.UUID, Entitlement]:
    """All managed entitlements of the customers of those that continue another one, by id."""
    customers = {each.customer_id for each in entitlements if each.continues_id is not None}
    return {row.pk: row for row in among(_with_facts(), "customer_id", customers)}


def _before(entitlement: Entitlement, earlier: Mapping[uuid.UUID, Entitlement]) -> list[Entitlement]:
    """Those whose burn-down `entitlement` goes on with, the first one first; in between, those without a limit, too."""
    found: list[Entitlement] = []
    if entitlement.measure_usage_from is None:
        return found
    seen, current = {entitlement.pk}, entitlement
    while current.continues_id is not None and current.continues_id in earlier and current.continues_id not in seen:
        current = earlier[current.continues_id]
        seen.add(current.pk)
        found.append(current)
    while found and found[-1].measure_usage_from is None:
        found.pop()
    return found[::-1]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What holds from `begins` on: how usage periods follow each other, by the terms alone (`said`) and as staff moved
    them (`rhythm`), and whether a reset keeps the overage."""

    begins: datetime
    said: Rhythm
    rhythm: Rhythm
    preserve_overage: bool


@dataclass(slots=True)
class _Chain:
    """What is known up to one of the entitlements. Issued grants are held apart: they end where the next terms begin,
    and whichever counts keeps the place of the first (`issued_since`) among those that staff made, so that no change
    alters which burns first. `by_hand` has the resets of all, by their time."""

    terms: list[_Terms] = field(default_factory=list)
    granted: list[GrantFacts] = field(default_factory=list)
    issued: list[GrantFacts] = field(default_factory=list)
    by_hand: dict[datetime, ResetFacts] = field(default_factory=dict)
    issued_since: datetime | None = None
    unlimited: list[Period] = field(default_factory=list)

    def timeline(self) -> Timeline:
        last = self.terms[-1]
        resets = {at: reset for at, reset in self.by_hand.items() if at >= self.terms[0].begins}
        for terms, following in zip(self.terms, self.terms[1:], strict=False):
            if terms.preserve_overage != last.preserve_overage:
                for at, keeps in all_resets(self._alone(terms), terms.begins, following.begins).items():
                    resets[at] = replace(resets.get(at, ResetFacts(at)), preserve_overage=keeps)
        for before, terms in zip(self.terms, self.terms[1:], strict=False):
            # Whether the overage stays is what the terms before had said of it, where staff said nothing.
            staff = self.by_hand.get(terms.begins)
            keeps = before.preserve_overage
            if staff is not None and staff.preserve_overage is not None:
                keeps = staff.preserve_overage
            resets[terms.begins] = ResetFacts(terms.begins, None, keeps, terms.rhythm)
        return Timeline(
            start=self.terms[0].begins,
            usage_period=self.terms[0].rhythm,
            grants=tuple(grant for grant in (*self.granted, *self.issued) if grant.end > grant.effective_at),
            resets=tuple(resets[at] for at in sorted(resets)),
            preserve_overage=last.preserve_overage,
            unlimited=tuple(self.unlimited),
        )

    def rhythm_at(self, moment: datetime) -> Rhythm:
        """As it is by the last terms that begin before `moment`, with what staff moved up to then."""
        terms = next(terms for terms in reversed(self.terms) if terms.begins < moment)
        rhythm = terms.rhythm
        for at in sorted(self.by_hand):
            if terms.begins < at <= moment:
                rhythm = self.by_hand[at].rhythm_after(rhythm)
        return rhythm

    def _alone(self, terms: _Terms) -> Timeline:
        resets = tuple(self.by_hand[at] for at in sorted(self.by_hand) if at >= terms.begins)
        return Timeline(terms.begins, terms.rhythm, (), resets, terms.preserve_overage)


def _timeline(entitlements: Iterable[Entitlement], *, with_grants: bool = True) -> Timeline:
    """That of the last of them; the others are those that it continues, in order."""
    chain = _Chain()
    *before, last = entitlements
    if not before:
        return timeline_of(last)
    for each in before:
        _append(chain, each, is_in_force=each.deleted_at is None, with_grants=with_grants)
    _append(chain, last, is_in_force=True, with_grants=with_grants)
    return chain.timeline()


def _append(chain: _Chain, entitlement: Entitlement, *, is_in_force: bool, with_grants: bool) -> None:
    """Let `chain` go on with `entitlement`. One that something else was put in the place of has what staff did, and no
    terms."""
    if entitlement.measure_usage_from is None:
        if is_in_force and entitlement.active_to is not None:
            chain.unlimited.append(Period(entitlement.active_from, entitlement.active_to))
        return
    own = schedule_of(entitlement)
    assert own is not None
    by_hand = {reset.at: reset for reset in own.resets}
    facts = timeline_of(entitlement).grants if with_grants else ()
    issued = {grant.pk for grant in entitlement.grants.all() if grant.issued} if with_grants else set()
    created = [grant.created for grant in facts if grant.id in issued]
    chain.issued_since = min([*created, *([] if chain.issued_since is None else [chain.issued_since])], default=None)
    if not is_in_force:
        chain.by_hand |= by_hand
        chain.granted += [grant for grant in facts if grant.id not in issued]
        return
    terms = _terms(chain, entitlement, own)
    chain.terms = [each for each in chain.terms if each.begins < terms.begins]
    chain.terms.append(terms)
    chain.by_hand |= by_hand
    mine = [replace(grant, effective_at=max(grant.effective_at, terms.begins)) for grant in facts]
    chain.granted += [grant for grant in mine if grant.id not in issued]
    ended = [_ended(grant, terms.begins) for grant in chain.issued]
    chain.issued = [grant for grant in ended if grant.end > grant.effective_at]
    if chain.issued_since is not None:
        # One that staff made at the very moment came after the first.
        place = chain.issued_since - _TICK
        chain.issued += [replace(grant, created=place) for grant in mine if grant.id in issued]


def _terms(chain: _Chain, entitlement: Entitlement, own: Timeline) -> _Terms:
    """Of an entitlement that goes on with `chain`: from when, and in which usage periods."""
    moment, said = entitlement.active_from, own.usage_period
    earlier = [terms for terms in chain.terms if terms.begins < moment]
    begins, rhythm = own.start, said
    if earlier:
        past = replace(chain, terms=earlier, granted=[], issued=[]).timeline()
        if said == earlier[-1].said:
            rhythm = chain.rhythm_at(moment)
        if entitlement.resets_usage:
            begins = moment
        elif said == earlier[-1].said:
            # The usage period goes on, as staff may have moved it.
            begins = counted_from(past, moment)
        elif begins < moment:
            # It began before: no earlier than that of the terms before, which staff may have reset.
            begins = max(begins, counted_from(past, moment - _TICK))
    for reset in own.resets:
        if reset.at == begins:
            rhythm = reset.rhythm_after(rhythm)
    return _Terms(begins, said, rhythm, own.preserve_overage)


def _ended(grant: GrantFacts, moment: datetime) -> GrantFacts:
    return replace(grant, voided_at=moment if grant.voided_at is None else min(grant.voided_at, moment))
