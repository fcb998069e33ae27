"""Finds the quantities of usage lines: all metered ones in one query, all reported ones in another."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple

from core.money import WIDE, ZERO
from customers.attribution import Attribution
from entitlements.metering.usage import NO_USAGE, MeterReading, UsageRequest, reading_of, usage_of
from entitlements.models import Feature
from invoicing.choices import InvoiceStatus, LineKind
from invoicing.closing.plan import PlannedLine
from invoicing.errors import CannotBill
from invoicing.lifecycle.draft_steps import TO_COLLECT
from invoicing.models import InvoiceLine
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

    @property
    def earlier_net(self) -> Decimal:
        return sum(self.earlier_nets.values(), ZERO)

    def after(self, nets: Mapping[WindowKey, Decimal]) -> "Quantity":
        """The same where earlier windows were rated anew, together with this one, and came to `nets`."""
        if not self.earlier_nets:
            return self
        return self._replace(earlier_nets={key: nets.get(key, net) for key, net in self.earlier_nets.items()})

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
    late usage of theirs, and takes up no free units and no tiers here. At most four queries.
    """
    requests: list[UsageRequest] = []
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
        before = tuple((use.start, use.end) for use in window.earlier)
        requests.append(UsageRequest(3 * index, reading, subjects, (*before, (window.start, end))))
        if before:
            requests.append(UsageRequest(3 * index + 1, reading, subjects, before))
            then = tuple((use.start, use.end) for use in window.earlier if _is_frozen(use, frozen))
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
            for use in line.obligation.earlier:
                if _is_frozen(use, frozen):
                    earlier = WIDE.add(earlier, frozen[use.item_id, use.start].quantity)
            found.append(
                Quantity(
                    WIDE.subtract(whole.quantity, before_it.quantity),
                    whole.events - before_it.events,
                    whole.unreadable,
                    reading=reading,
                    meter_key=meter_key,
                    earlier=earlier,
                    earlier_nets=nets,
                    earlier_until=until,
                )
            )
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


class _Frozen(NamedTuple):
    """What a settled window was billed for; `is_final`: its quantity will not be read again. Until it is, its draft
    waits, up to `collected_at`."""

    quantity: Decimal
    net: Decimal
    is_final: bool
    collected_at: datetime | None = None


def _is_frozen(use: EarlierUse, frozen: Mapping[WindowKey, _Frozen]) -> bool:
    known = frozen.get((use.item_id, use.start))
    return known is not None and known.is_final


def _frozen(lines: Sequence[PlannedLine]) -> dict[WindowKey, _Frozen]:
    """What was billed for the windows before each line's, in its period. What is rated together with them, on the same
    draft, is not final yet. One query; none where nothing came before."""
    uses = [use for line in lines for use in line.obligation.earlier]
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
        )
    )
    together = {line.obligation.key for line in lines}
    found: dict[WindowKey, _Frozen] = {}
    for item_id, span, metered, amount, charges, discounts, snapshoted_at, collection_at, status in rows:
        key = (item_id, span.lower)
        before = found.get(key, _Frozen(ZERO, ZERO, True))
        found[key] = _Frozen(
            WIDE.add(before.quantity, metered or ZERO),
            before.net + amount + charges - discounts,
            before.is_final and metered is not None and snapshoted_at is not None and key not in together,
            collection_at if status in TO_COLLECT and key not in together else None,
        )
    return found


def _earlier_until(line: PlannedLine, frozen: Mapping[WindowKey, _Frozen]) -> datetime | None:
    """When the last draft that holds an earlier window of the line's period is collected; None: none waits."""
    known = (frozen.get((use.item_id, use.start)) for use in line.obligation.earlier)
    return max(
        (each.collected_at for each in known if each is not None and each.collected_at is not None), default=None
    )


def _earlier_nets(line: PlannedLine, frozen: Mapping[WindowKey, _Frozen]) -> Mapping[WindowKey, Decimal]:
    """What was billed for each window before the line's, in its period, where a minimum or a maximum asks for it."""
    price = line.obligation.revision.price
    if not line.obligation.earlier or price is None or (price.minimum is None and price.maximum is None):
        return NO_NETS
    keys = [(use.item_id, use.start) for use in line.obligation.earlier]
    return {key: frozen[key].net if key in frozen else ZERO for key in keys}
