"""Judges settled windows: what their usage comes to now beyond what they are settled for, and what that is worth.

Worth it is what the whole period comes to with it, less what was billed net: at that period's rates, tiers and free
units (billing rules 6). So the windows that follow in the period are rated again, too: what comes late in an earlier
one takes up the free units and tiers that they had.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from core.errors import BillingError
from core.money import ONE, WIDE, ZERO, exact_arithmetic
from core.periods import Period
from customers.effective_settings import Terms
from entitlements.models import Feature
from invoicing.choices import WindowKind
from invoicing.closing.assemble import rate_line
from invoicing.closing.basis import explained
from invoicing.closing.load import LoadedCustomer, load_batch
from invoicing.closing.plan import PlannedLine
from invoicing.closing.quantities import NO_NETS, Quantity, WindowKey, quantities_of
from invoicing.late_usage.period import keys_before, keys_of_parts, rated_again, whole_of
from invoicing.late_usage.settled import SettledUsage, settled_usage
from invoicing.rating.basis import Metering
from invoicing.rating.explanation import (
    BILLED_BEFORE,
    RATED_WITH_IT,
    ChargeExplanation,
    ExplainedPart,
    LateUsageExplanation,
)
from invoicing.rating.explanation_json import read_explanation
from subscriptions.lifecycle.facts import reports_of
from subscriptions.models import QuantityReport
from subscriptions.schedule import Obligation, obligations
from subscriptions.schedule.facts import RevisionTerms, Span

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LateUsage:
    """What came late for one settled window: `quantity` beyond `settled_quantity`, from `events` more events, worth
    `net`, of which `net_beside` is what others of its period cost more. It was metered, or reported (`reports` are then
    the reports that count with it)."""

    obligation: Obligation
    terms: RevisionTerms
    window_id: uuid.UUID
    is_waived: bool
    settled_quantity: Decimal
    quantity: Decimal
    events: int
    net: Decimal
    net_beside: Decimal
    explanation: LateUsageExplanation
    usage_since: datetime
    is_metered: bool
    # The windows of its period, and the lines that charged for them: this one's first.
    period: frozenset[WindowKey]
    charged_by: tuple[uuid.UUID, ...]
    reports: tuple[uuid.UUID, ...] = ()

    @property
    def currency(self) -> str:
        return self.obligation.subscription.currency


@dataclass(slots=True)
class Judged:
    """What was found for one customer: of which windows (by id) late usage, which were looked at, and what kept one
    from being judged."""

    loaded: LoadedCustomer
    late: dict[uuid.UUID, LateUsage] = field(default_factory=dict)
    looked_at: set[uuid.UUID] = field(default_factory=set)
    error: BillingError | None = None

    @property
    def terms(self) -> Terms:
        return self.loaded.terms


@dataclass(slots=True)
class _Asked:
    """A settled window under judgement."""

    judged: Judged
    obligation: Obligation
    terms: RevisionTerms
    settled: SettledUsage
    quantity: Quantity | None = None
    reports: tuple[uuid.UUID, ...] = ()

    @property
    def planned(self) -> PlannedLine:
        return PlannedLine(self.obligation, self.terms, (), self.obligation.invoice_at)


def judge(spans: Mapping[uuid.UUID, Span], *, as_of: datetime) -> dict[uuid.UUID, Judged]:
    """What came late for the settled windows of these customers that reach into `spans` (a time for each customer), as
    usage stands now. The number of queries does not depend on how many there are.

    In the transaction that holds the customers' locks. A window of a draft that is still to count its quantities is
    none; nor is one that was read by another meter, or by other filters, than its feature has now.
    """
    since = {customer_id: span.start for customer_id, span in spans.items()}
    batch = load_batch(spans, since=since)
    judged = {loaded.id: Judged(loaded) for loaded in batch.customers}
    owed = {customer_id: list(_owed(each.loaded, as_of)) for customer_id, each in judged.items()}
    settled = _settled(owed)
    _count_reports(owed, settled, batch.features)
    asked = [
        window
        for customer_id, span in spans.items()
        if customer_id in judged
        for window in _asked(judged[customer_id], owed[customer_id], span, settled, batch.features)
    ]
    _read(asked, batch.features, as_of)
    with exact_arithmetic():
        for window in asked:
            window.judged.looked_at.add(window.settled.window_id)
            try:
                late = _late(window, owed[window.judged.loaded.id], settled)
            except BillingError as error:
                logger.warning("late usage of customer %s can't be rated: %s", window.judged.loaded.id, error.message)
                window.judged.error = error
                continue
            if late is not None:
                window.judged.late[window.settled.window_id] = late
    return judged


def _owed(loaded: LoadedCustomer, as_of: datetime) -> Iterator[tuple[Obligation, RevisionTerms]]:
    """The windows of usage of a customer, by subscription in order of time, with all that came before them in their
    periods."""
    owed = {
        subscription.facts.id: list(obligations(subscription.facts, since=subscription.reconcile_from, as_of=as_of))
        for subscription in loaded.subscriptions
    }
    first = min((use.start for each in owed.values() for window in each for use in window.earlier), default=None)
    for subscription in loaded.subscriptions:
        found = owed[subscription.facts.id]
        if first is not None and first < subscription.reconcile_from:
            found = list(obligations(subscription.facts, since=first, as_of=as_of))
        for obligation in found:
            if not obligation.is_flat and obligation.revision.price is not None:
                yield obligation, subscription.terms[obligation.revision.id]


def _settled(
    owed: Mapping[uuid.UUID, Sequence[tuple[Obligation, RevisionTerms]]],
) -> dict[WindowKey, SettledUsage]:
    """What the windows of these customers are settled for, and those before them in their periods."""
    keys = [
        key for each in owed.values() for obligation, _ in each for key in (obligation.key, *keys_before(obligation))
    ]
    if not keys:
        return {}
    return settled_usage({item_id for item_id, _ in keys}, min(start for _, start in keys))


def _count_reports(
    owed: Mapping[uuid.UUID, Sequence[tuple[Obligation, RevisionTerms]]],
    settled: Mapping[WindowKey, SettledUsage],
    features: Mapping[uuid.UUID, Feature],
) -> None:
    """Windows without a meter are settled for what was reported in time. One query; none where there are none."""
    windows: dict[WindowKey, datetime] = {}
    for each in owed.values():
        for obligation, _ in each:
            feature = features.get(obligation.revision.feature_id) if obligation.revision.feature_id else None
            if feature is not None and feature.meter is None:
                windows[obligation.key] = obligation.end
                windows |= {(use.item_id, use.start): use.end for use in obligation.earlier}
    if not windows:
        return
    said = reports_of({item_id for item_id, _ in windows}, since=min(start for _, start in windows))
    for (item_id, start), end in windows.items():
        mine = [report for report in said.get(item_id, ()) if start <= report.period_start < end]
        if mine and (item_id, start) in settled:
            settled[item_id, start].quantity = mine[-1].quantity


def _asked(
    judged: Judged,
    owed: Sequence[tuple[Obligation, RevisionTerms]],
    span: Span,
    settled: Mapping[WindowKey, SettledUsage],
    features: Mapping[uuid.UUID, Feature],
) -> Iterator[_Asked]:
    for obligation, terms in owed:
        window = settled.get(obligation.key)
        billed = judged.loaded.billed.get(obligation.key)
        if window is None or billed is None or not window.is_final or billed.end != obligation.settles_until:
            continue
        if window.kind == WindowKind.WAIVER and not window.lines:
            # All of its usage was waived with a voided invoice.
            continue
        reach = obligation.group or obligation
        if reach.end <= span.start or (span.end is not None and reach.start >= span.end):
            continue
        if not _is_last_settled(obligation, settled):
            # Whatever is late there is for a later part to take up (billing rules 7).
            judged.looked_at.add(window.window_id)
            continue
        feature = features.get(obligation.revision.feature_id) if obligation.revision.feature_id else None
        if feature is None or (feature.meter is not None and feature.meter.deleted_at is not None):
            # By what was deleted nothing is compared any more.
            continue
        yield _Asked(judged, obligation, terms, window)


def _is_last_settled(obligation: Obligation, settled: Mapping[WindowKey, SettledUsage]) -> bool:
    """Whether it is no part, or the last one of its group that is settled, and those before it are for good."""
    others = keys_of_parts(obligation)
    return all(_is_final(key, settled) if key[1] < obligation.start else key not in settled for key in others)


def _is_final(key: WindowKey, settled: Mapping[WindowKey, SettledUsage]) -> bool:
    return key in settled and settled[key].is_final


def _read(asked: Sequence[_Asked], features: dict[uuid.UUID, Feature], as_of: datetime) -> None:
    lines = [(each.planned, each.judged.loaded.subjects) for each in asked]
    for each, quantity in zip(asked, quantities_of(lines, features, as_of), strict=True):
        each.quantity = quantity
    reported = [each for each in asked if each.quantity is not None and not each.quantity.metered]
    if not reported:
        return
    reports = QuantityReport.objects.filter(
        Q(late=True),
        item_id__in={each.obligation.item.id for each in reported},
        period_start__gte=min(each.obligation.start for each in reported),
    )
    known = list(reports.order_by("reported_at", "id"))
    for each in reported:
        window = each.obligation
        mine = [one for one in known if one.item_id == window.item.id and window.start <= one.period_start < window.end]
        assert each.quantity is not None
        if mine:
            each.quantity = each.quantity._replace(quantity=mine[-1].quantity, reported_at=mine[-1].reported_at)
            each.reports = tuple(one.id for one in mine)


def _late(
    window: _Asked,
    owed: Sequence[tuple[Obligation, RevisionTerms]],
    settled: Mapping[WindowKey, SettledUsage],
) -> LateUsage | None:
    now, then, obligation = window.quantity, window.settled, window.obligation
    if now is None or now.quantity is None:
        return None
    if now.reading is not None and then.metering is not None and then.metering != _metering(now):
        return None
    # Of a part it is what its group comes to less than its parts were billed for, too.
    quantity = WIDE.subtract(WIDE.subtract(now.quantity, now.shortfall), then.quantity)
    # What is more than the parts so far were billed for is the next one's (billing rules 7).
    if not quantity or (quantity > 0 and not obligation.is_last_part):
        return None
    events = now.events - now.events_short - then.events
    own = whole_of(obligation)
    mine = [then, *(settled[key] for key in keys_of_parts(obligation) if key in settled)]
    rated = rated_again(obligation, window.terms, quantity, mine, owed, settled)
    parts: list[ExplainedPart] = []
    charges: list[ChargeExplanation] = []
    nets: dict[WindowKey, Decimal] = {}
    total = billed = ZERO
    for other, terms, known, comes_to in rated:
        asked = now._replace(
            quantity=comes_to,
            events=sum(each.events for each in known),
            unreadable=0,
            earlier=_earlier(other, obligation, quantity, settled),
            earlier_nets=_nets(other, nets, settled),
            earlier_coupons=_coupons(other, settled),
        )
        if known is mine:
            asked = asked._replace(events=asked.events + events, unreadable=now.unreadable)
        planned = PlannedLine(other, terms, (), other.invoice_at)
        line = rate_line(planned, asked)
        nets[obligation.key if known is mine else other.key] = line.net
        total, billed = total + line.net, billed + sum((each.net for each in known), ZERO)
        charge = read_explanation(json.loads(explained(planned, asked, line.rated.explanation)))
        assert isinstance(charge, ChargeExplanation)
        charges.append(charge)
        period = Period(other.start, other.end)
        parts.append(
            ExplainedPart(RATED_WITH_IT, other.revision.name, ONE, line.net, line.net, line.net, period=period)
        )
    net = total - billed
    parts.append(ExplainedPart(BILLED_BEFORE, "Billed before", -ONE, billed, -billed, -billed))
    return LateUsage(
        obligation=obligation,
        terms=window.terms,
        window_id=then.window_id,
        is_waived=then.kind == WindowKind.WAIVER,
        settled_quantity=then.quantity,
        quantity=quantity,
        events=events,
        net=net,
        net_beside=net - (nets[obligation.key] - sum((each.net for each in mine), ZERO)),
        explanation=LateUsageExplanation(
            currency=obligation.subscription.currency, parts=tuple(parts), net=net, charges=tuple(charges)
        ),
        usage_since=min([own.start, *(use.start for use in obligation.earlier)]),
        is_metered=now.metered,
        period=frozenset([obligation.key, *keys_before(obligation), *(other.key for other, *_ in rated)]),
        charged_by=tuple(
            line
            for _, _, known, _ in sorted(rated, key=lambda each: each[2] is not mine)
            for each in known
            for line in each.lines
        ),
        reports=window.reports,
    )


def _coupons(window: Obligation, settled: Mapping[WindowKey, SettledUsage]) -> Mapping[WindowKey, Decimal]:
    """What fixed coupons took off the parts before it in its group."""
    return {key: settled[key].coupon_used for key in keys_of_parts(window) if key in settled and key[1] < window.start}


def _earlier(
    window: Obligation,
    late: Obligation,
    quantity: Decimal,
    settled: Mapping[WindowKey, SettledUsage],
) -> Decimal:
    """What the period had before `window`, as it is settled, and with what came late."""
    earlier = ZERO
    for key in keys_before(window):
        if key in settled:
            earlier = WIDE.add(earlier, settled[key].quantity)
        if key == late.key:
            earlier = WIDE.add(earlier, quantity)
    return earlier


def _nets(
    window: Obligation, nets: Mapping[WindowKey, Decimal], settled: Mapping[WindowKey, SettledUsage]
) -> Mapping[WindowKey, Decimal]:
    """What the windows before it were billed net, where a minimum or a maximum asks for it."""
    price = window.revision.price
    if price is None or (price.minimum is None and price.maximum is None):
        return NO_NETS
    return {
        key: nets[key] if key in nets else (settled[key].net if key in settled else ZERO) for key in keys_before(window)
    }


def _metering(quantity: Quantity) -> Metering | None:
    reading = quantity.reading
    if reading is None:
        return None
    return Metering("", reading.aggregation, reading.event_type, reading.value_property, reading.filters)
