"""Finds the quantities of usage lines: all metered ones in one query, all reported ones in another."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from entitlements.models import Feature
from entitlements.usage import UsageRequest, reading_of, usage_of
from invoicing.engine.plan import PlannedLine
from invoicing.errors import CannotBill
from subscriptions.facts import reports_of


class Quantity(NamedTuple):
    """What a usage line is billed for (None: nothing was reported), and how many events it came from."""

    quantity: Decimal | None
    events: int = 0
    unreadable: int = 0
    metered: bool = False


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
            f"Point the feature {feature.key} to a living meter, then release the customer.",
            code="meter_deleted",
        )
    return feature


def quantities_of(
    lines: Sequence[tuple[PlannedLine, Sequence[str]]], features: Mapping[uuid.UUID, Feature], as_of: datetime
) -> list[Quantity]:
    """The quantity of each line, in order. A line comes with its customer's usage subjects; `feature_of` has passed it.

    Usage up to `as_of` counts, so that the lines of open periods can be shown too. At most two queries.
    """
    requests: list[UsageRequest] = []
    reported: dict[int, PlannedLine] = {}
    for index, (line, subjects) in enumerate(lines):
        reading = reading_of(feature_of(line, features))
        if reading is None:
            reported[index] = line
        else:
            end = max(min(line.obligation.end, as_of), line.obligation.start)
            requests.append(UsageRequest(index, reading, subjects, line.obligation.start, end))
    found = {index: Quantity(*usage, metered=True) for index, usage in usage_of(requests).items()}
    if reported:
        since = min(line.obligation.start for line in reported.values())
        reports = reports_of({line.obligation.item.id for line in reported.values()}, since=since)
        for index, line in reported.items():
            period = line.obligation
            said = [amount for at, amount in reports.get(period.item.id, ()) if period.start <= at < period.end]
            found[index] = Quantity(said[-1] if said else None)
    return [found[index] for index in range(len(lines))]
