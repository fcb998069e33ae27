"""Finds the quantities of usage lines: all metered ones in one query, all reported ones in another."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple

from core.money import WIDE, ZERO
from customers.attribution import Attribution
from entitlements.metering.usage import NO_USAGE, MeterReading, Usage, UsageRequest, reading_of, usage_of
from entitlements.models import Feature
from invoicing.choices import LATE_USAGE_SETTLED, InvoiceStatus, LineKind
from invoicing.closing.parts import FrozenUse, PartReadings, before_group, events_and_coupon, other_parts
from invoicing.closing.plan import PlannedLine
from invoicing.errors import CannotBill
from invoicing.lifecycle.draft_steps import TO_COLLECT
from invoicing.models import InvoiceLine, LateUsageCase
from invoicing.rating import RatedLine
from subscriptions.lifecycle.facts import Report, reports_of
from subscriptions.schedule.facts import EarlierUse

# A window of an item: the item's id, and its start.
WindowKey = tuple[uuid.UUID, datetime]
NO_NETS: Mapping[WindowKey, Decimal] = MappingProxyType({})


class Quantity(NamedTuple):
    """What a usage line is billed for (None: nothing was reported), and how many events it came from.

    `earlier` is what the same period had used before the line's window, `earlier_nets` what was billed for that, window
    by window, where a minimum or a maximum asks for it; until `earlier_until` some of it is not fixed. A metered
    quantity knows how it was read (`reading`, by the meter `meter_key`), a reported one when.
    """

    quantity: Decimal | None
    events: int = 0
    unreadable: int = 0
    reading: MeterReading | None = None
    meter_key: str = ""
    reported_at: datetime | None = None
    earlier: Decimal = ZERO
    earlier_nets: Mapping[WindowKey, Decimal] = NO_NETS
    earlier_until: datetime | None = None
    # What was billed too much before it, in its period. Of a part of a group, also what fixed coupons took off earlier
    # parts.
    shortfall: Decimal = ZERO
    earlier_coupons: Mapping[WindowKey, Decimal] = NO_NETS
    events_short: int = 0

    @property
    def earlier_net(self) -> Decimal:
        return sum(self.earlier_nets.values(), ZERO)

    @property
    def earlier_coupon(self) -> Decimal:
        return sum(self.earlier_coupons.values(), ZERO)

    def after(self, rated: Mapping[WindowKey, RatedLine]) -> "Quantity":
        """The same where earlier windows were rated anew, together with this one, as `rated` says."""
        if not self.earlier_nets and not self.earlier_coupons:
            return self
        nets, coupons = dict(self.earlier_nets), dict(self.earlier_coupons)
        nets |= {key: rated[key].net for key in nets if key in rated}
        coupons |= {key: rated[key].coupon_used for key in coupons if key in rated}
        return self._replace(earlier_nets=nets, earlier_coupons=coupons)

    @property
    def metered(self) -> bool:
        return self.reading is not None


def feature_of(line: PlannedLine, features: Mapping[uuid.UUID, Feature]) -> Feature:
    """The feature that a usage line counts. CannotBill when nothing can count it."""
    revision = line.obligation.revision
    what = f"Item {line.obligation.item.running_number} ({revision.name})"
    feature = features.get(revision.feature_id) if revision.feature_id is not None else None
    if feature is None:
        raise CannotBill(
            f"{what} has a usage price but no feature, so nothing says what to count. Give it a feature.",
            code="no_feature",
        )
    if feature.meter is not None and feature.meter.deleted_at is not None:
        raise CannotBill(
            f"{what} is measured by the meter {feature.meter.key}, which was deleted. "
            f"Edit the subscription with effect from {line.start:%Y-%m-%d %H:%M} UTC, to a feature whose meter "
            "was not deleted, then release the customer.",
            code="meter_deleted",
        )
    return feature


def quantities_of(
    lines: Sequence[tuple[PlannedLine, Sequence[Attribution]]], features: Mapping[uuid.UUID, Feature], as_of: datetime
) -> list[Quantity]:
    """The quantity of each line, in order. A line comes with its customer's usage subjects; `feature_of` has passed it.

    Usage up to `as_of` counts, so that the lines of open periods can be shown too. Quantities of a window and of what
    its period had before it are read together, so that unique counts and maxima are those of the whole: the window's
    own is what it adds. What earlier windows were billed for is frozen, whatever has come in for them since: that is
    late usage of theirs, and takes up no free units and no tiers here. A part of a group is billed for what the group
    comes to with it, less what the parts before it were billed for (`parts.py`). At most four queries.
    """
    requests: list[UsageRequest] = []
    asked_of_parts: dict[int, PartReadings] = {}
    reported: list[int] = []
    readings: dict[int, tuple[MeterReading, str]] = {}
    frozen = _frozen([line for line, _ in lines])
    for index, (line, subjects) in enumerate(lines):
        feature = feature_of(line, features)
        reading = reading_of(feature)
        if reading is None or feature.meter is None:
            reported.append(index)
            continue
        readings[index] = (reading, feature.meter.key)
        window = line.obligation
        end = max(min(window.end, as_of), window.start)
        earlier_uses, start = window.earlier, window.start
        if window.group is not None:
            earlier_uses, start = before_group(window, window.group), window.group.start
        before = tuple((use.start, use.end) for use in earlier_uses)
        requests.append(UsageRequest(3 * index, reading, subjects, (*before, (start, end))))
        if window.group is not None:
            # By keys of their own, below zero.
            asked = PartReadings(window, window.group, frozen, first_key=-1 - len(requests))
            # Up to their ends, also behind `as_of`: what later parts were billed for is theirs.
            requests += [
                UsageRequest(key, reading, subjects, (*before, (start, until))) for key, until in asked.needed.items()
            ]
            asked_of_parts[index] = asked
        if before:
            requests.append(UsageRequest(3 * index + 1, reading, subjects, before))
            then = tuple((use.start, use.end) for use in earlier_uses if _is_frozen(use, frozen))
            if then:
                requests.append(UsageRequest(3 * index + 2, reading, subjects, then))
    usage = usage_of(requests)
    reports = _reports([lines[index][0] for index in reported])
    found: list[Quantity] = []
    for index, (line, _) in enumerate(lines):
        nets, until = _earlier_nets(line, frozen), _earlier_until(line, frozen)
        if index in readings:
            reading, meter_key = readings[index]
            whole, before_it = usage[3 * index], usage.get(3 * index + 1, NO_USAGE)
            # What is frozen as it was billed, the rest as it is now.
            earlier = WIDE.subtract(before_it.quantity, usage.get(3 * index + 2, NO_USAGE).quantity)
            parts = asked_of_parts.get(index)
            for use in line.obligation.earlier if parts is None else parts.before_group:
                if _is_frozen(use, frozen):
                    earlier = WIDE.add(earlier, frozen[use.item_id, use.start].quantity)
            own = WIDE.subtract(whole.quantity, before_it.quantity)
            quantity = Quantity(
                own,
                whole.events - before_it.events,
                whole.unreadable,
                reading=reading,
                meter_key=meter_key,
                earlier=earlier,
                earlier_nets=nets,
                earlier_until=until,
            )
            if own < 0 and before and parts is None:
                # With it the period comes to less than what was billed before it.
                quantity = quantity._replace(quantity=ZERO, shortfall=-own)
            found.append(quantity if parts is None else _of_part(quantity, parts, usage, before_it))
        else:
            window = line.obligation
            said = reports.get((window.item.id, window.start, window.end))
            before_said = (reports.get((use.item_id, use.start, use.end)) for use in window.earlier)
            earlier = reduce(WIDE.add, (report.quantity for report in before_said if report is not None), ZERO)
            quantity = Quantity(None, earlier=earlier, earlier_nets=nets, earlier_until=until)
            if said is not None:
                quantity = quantity._replace(quantity=said.quantity, reported_at=said.reported_at)
            found.append(quantity)
    return found


def _of_part(whole: Quantity, asked: PartReadings, usage: Mapping[int, Usage], before_it: Usage) -> Quantity:
    """The quantity of a part, where `whole` is that of its group with it."""
    assert whole.quantity is not None
    readings = {
        key: (WIDE.subtract(usage[key].quantity, before_it.quantity), usage[key].events - before_it.events)
        for key in asked.needed
    }
    part = asked.part(whole.quantity, whole.events, readings)
    return whole._replace(
        quantity=part.quantity,
        events=part.events,
        earlier=WIDE.add(whole.earlier, part.billed_before),
        earlier_coupons=asked.coupons_before,
        shortfall=part.shortfall,
        events_short=part.events_short,
    )


_Window = tuple[uuid.UUID, datetime, datetime]


def _reports(lines: Sequence[PlannedLine]) -> dict[_Window, Report]:
    """The last report for each window of these lines and for what their periods had before them."""
    windows: set[_Window] = set()
    for line in lines:
        window = line.obligation
        windows.add((window.item.id, window.start, window.end))
        windows.update((use.item_id, use.start, use.end) for use in window.earlier)
    if not windows:
        return {}
    said = reports_of({item_id for item_id, _, _ in windows}, since=min(start for _, start, _ in windows))
    found: dict[_Window, Report] = {}
    for item_id, start, end in windows:
        reports = [report for report in said.get(item_id, ()) if start <= report.period_start < end]
        if reports:
            found[(item_id, start, end)] = reports[-1]
    return found


def _is_frozen(use: EarlierUse, frozen: Mapping[WindowKey, FrozenUse]) -> bool:
    known = frozen.get((use.item_id, use.start))
    return known is not None and known.is_final


def _frozen(lines: Sequence[PlannedLine]) -> dict[WindowKey, FrozenUse]:
    """What was billed for the windows before each line's, in its period. What is rated together with them, on the same
    draft, is not final yet. Late usage that was decided about counts as billed. Two queries; none where nothing came
    before."""
    uses = [use for line in lines for use in line.obligation.earlier]
    parts = [line.obligation for line in lines if line.obligation.group is not None]
    uses += [use for part in parts for use in other_parts(part)]
    if not uses:
        return {}
    rows = (
        InvoiceLine.objects.counted()
        .filter(
            kind=LineKind.USAGE,
            window__item_id__in={use.item_id for use in uses},
            window__span__startswith__gte=min(use.start for use in uses),
        )
        .exclude(invoice__status__in=[InvoiceStatus.GATHERING, InvoiceStatus.VOIDED])
        .values_list(
            "window__item_id",
            "window__span",
            "metered_quantity",
            "amount",
            "charges_total",
            "discounts_total",
            "invoice__quantity_snapshoted_at",
            "invoice__collection_at",
            "invoice__status",
            *(("explain",) if parts else ()),
        )
    )
    together = {line.obligation.key for line in lines}
    found: dict[WindowKey, FrozenUse] = {}
    items = {part.item.id for part in parts}
    for item_id, span, metered, amount, charges, discounts, snapshoted_at, collection_at, status, *explain in rows:
        key = (item_id, span.lower)
        before = found.get(key, FrozenUse(ZERO, ZERO, True))
        events, coupon = events_and_coupon(explain[0]) if item_id in items and explain[0] else (0, ZERO)
        found[key] = FrozenUse(
            WIDE.add(before.quantity, metered or ZERO),
            before.net + amount + charges - discounts,
            before.is_final and metered is not None and snapshoted_at is not None and key not in together,
            collection_at if status in TO_COLLECT and key not in together else None,
            before.events + events,
            before.coupon_used + coupon,
        )
    for key, quantity, net, events in settled_late({use.item_id for use in uses}, min(use.start for use in uses)):
        known = found.get(key, FrozenUse(ZERO, ZERO, True))
        found[key] = known._replace(
            quantity=WIDE.add(known.quantity, quantity), net=known.net + net, events=known.events + events
        )
    return found


def settled_late(item_ids: Collection[uuid.UUID], since: datetime) -> Iterator[tuple[WindowKey, Decimal, Decimal, int]]:
    """The late usage that was billed, credited or waived in windows of these items from `since` on: of which window,
    its quantity, its net, and how many events it came from. One query."""
    cases = LateUsageCase.objects.filter(item_id__in=item_ids, period_start__gte=since, state__in=LATE_USAGE_SETTLED)
    rows = cases.order_by("id").values_list("item_id", "period_start", "quantity", "net", "events")
    for item_id, start, quantity, net, events in rows:
        yield (item_id, start), quantity, net, events


def _earlier_until(line: PlannedLine, frozen: Mapping[WindowKey, FrozenUse]) -> datetime | None:
    """When the last draft that holds an earlier window of the line's period is collected; None: none waits."""
    known = (frozen.get((use.item_id, use.start)) for use in line.obligation.earlier)
    return max(
        (each.collected_at for each in known if each is not None and each.collected_at is not None), default=None
    )


def _earlier_nets(line: PlannedLine, frozen: Mapping[WindowKey, FrozenUse]) -> Mapping[WindowKey, Decimal]:
    """What was billed for each window before the line's, in its period, where a minimum or a maximum asks for it."""
    price = line.obligation.revision.price
    if not line.obligation.earlier or price is None or (price.minimum is None and price.maximum is None):
        return NO_NETS
    keys = [(use.item_id, use.start) for use in line.obligation.earlier]
    return {key: frozen[key].net if key in frozen else ZERO for key in keys}
