"""Measures time in which a subscription is charged next to nothing: free phases that are added, stretched or moved."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F

from core import clock
from core.approvals.limits import may_act_alone
from core.periods import parse_cadence, parse_duration
from subscriptions.catalog.discount_limits import Charged, charges_in_earnest, check_free_time
from subscriptions.catalog.plan_selectors import terms_of_plan
from subscriptions.catalog.plan_terms import PlanTerms, RateCardTerms, place_phases
from subscriptions.models import ItemRevision, Subscription

_YEAR = timedelta(days=365)
_DAY = Decimal(86400)
_DAYS_OF_A_MONTH = Decimal(365) / 12

# When something recurring is charged, from and to (None: without end), and whether that is in earnest.
_Span = tuple[datetime, datetime | None]


@contextmanager
def noticing_free_time(subscription: Subscription) -> Iterator[None]:
    """`ApprovalNeeded` where what is done inside leaves the subscription uncharged for longer than its plan lists, by
    more than one person may give: measured over its life up to a year from now. Of terms without a plan the time before
    counts instead. Behind the customer's lock."""
    if may_act_alone():
        yield
        return
    until = clock.now() + _YEAR
    if subscription.active_to is not None:
        until = min(until, subscription.active_to)
    plan = terms_of_plan(subscription.plan) if subscription.plan is not None else None
    reference = _reference(plan)
    before = _free_days(*_spans_of(subscription, reference), subscription.active_from, until)
    yield
    after = _free_days(*_spans_of(subscription, reference), subscription.active_from, until)
    listed = before
    if plan is not None:
        placed = place_phases(plan.phases, start=subscription.active_from, zone=subscription.time_zone)
        held = [(p.active_from, p.active_to) for p in placed if p.terms.rate_cards]
        spans = [(p.active_from, p.active_to) for p in placed if _charges(p.terms.rate_cards, reference)]
        listed = _free_days(held, spans, subscription.active_from, until)
    if after > before:
        check_free_time(after - listed, _period(subscription.billing_cadence), str(subscription))


def check_free_phases(plan: PlanTerms) -> None:
    """The same for a plan that is made for one customer: the phases before others that charge are a gift."""
    reference = _reference(plan)
    if not _charges(plan.phases[-1].rate_cards, reference):
        return
    days = Decimal(0)
    for phase in plan.phases[:-1]:
        if phase.duration is not None and not _charges(phase.rate_cards, reference):
            length = parse_duration(phase.duration)
            days += length.months * _DAYS_OF_A_MONTH + length.days + length.seconds / _DAY
    check_free_time(days, _period(plan.billing_cadence), plan.name)


def _reference(plan: PlanTerms | None) -> dict[str, Charged]:
    """What the plan charges by key in the end: an earlier phase that is far cheaper is as good as free."""
    cards = [card for phase in plan.phases for card in phase.rate_cards] if plan is not None else []
    return {card.key: _charged(card) for card in cards}


def _charges(cards: Sequence[RateCardTerms], reference: Mapping[str, Charged]) -> bool:
    return any(
        card.billing_cadence is not None and charges_in_earnest(_charged(card), reference.get(card.key, _charged(card)))
        for card in cards
    )


def _charged(card: RateCardTerms) -> Charged:
    return Charged(card.price, card.discounts, card.billing_cadence)


def _spans_of(subscription: Subscription, reference: Mapping[str, Charged]) -> tuple[list[_Span], list[_Span]]:
    """When the subscription has any item, and when one of them charges."""
    rows = ItemRevision.objects.filter(item__subscription=subscription).exclude(active_to=F("active_from"))
    held: list[_Span] = []
    found: list[_Span] = []
    for row in rows.select_related("item"):
        held.append((row.active_from, row.active_to))
        if row.billing_cadence is None:
            continue
        theirs = Charged(row.price, row.discounts, row.billing_cadence)
        if charges_in_earnest(theirs, theirs if row.is_edited else reference.get(row.item.key, theirs)):
            found.append((row.active_from, row.active_to))
    return held, found


def _free_days(held: Sequence[_Span], charged: Sequence[_Span], since: datetime, until: datetime) -> Decimal:
    """The days of `[since, until)` in which something is had and nothing charged: what is not had is not given."""
    free = _covered(held, since, until) - _covered(charged, since, until)
    return Decimal(int(free.total_seconds())) / _DAY


def _covered(spans: Sequence[_Span], since: datetime, until: datetime) -> timedelta:
    covered, here = timedelta(), since
    for start, end in sorted(spans, key=lambda span: span[0]):
        start, end = max(start, here), until if end is None else min(end, until)
        if end > start:
            covered += end - start
            here = end
    return covered


def _period(cadence: str) -> Decimal:
    """A billing period in days."""
    parsed = parse_cadence(cadence)
    assert parsed is not None
    return parsed.months * _DAYS_OF_A_MONTH + parsed.days
