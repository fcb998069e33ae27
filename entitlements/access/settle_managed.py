"""Makes a customer's managed entitlements what their subscriptions say: writes the difference, and nothing else."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from core import clock
from core.ids import new_id, to_text
from core.many_ids import among
from customers.models import Customer
from entitlements.access.create_entitlement import issued_grant, taken
from entitlements.models import Entitlement, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedEntitlement:
    """What a subscription's item entitles to during `[active_from, active_to)`, UTC (billing rules 9).

    `follows`: it goes on where the one before it, to the same feature, ends or was interrupted; its usage period, too,
    unless it `resets_usage`. A metered one counts usage from `measure_usage_from`, and `issue` is what each usage
    period begins with.
    """

    feature_id: uuid.UUID
    feature_key: str
    type: str
    subscription_id: uuid.UUID
    item_id: uuid.UUID
    keys: Mapping[str, str]
    active_from: datetime
    active_to: datetime | None
    time_zone: str
    follows: bool = False
    resets_usage: bool = False
    config: str | None = None
    soft_limit: bool = False
    preserve_overage: bool = False
    issue: Decimal | None = None
    issue_priority: int = 1
    usage_period: str | None = None
    usage_period_anchor: datetime | None = None
    measure_usage_from: datetime | None = None

    def is_of(self, row: Entitlement) -> bool:
        """Whether `row` has these terms and began at this time, whenever it ends."""
        return (
            row.managed_by == self.item_id
            and row.active_from == self.active_from
            and row.feature_id == self.feature_id
            and row.type == self.type
            and row.config == self.config
            and row.soft_limit == self.soft_limit
            and row.preserve_overage == self.preserve_overage
            and row.issue_after_reset == self.issue
            and row.issue_priority == self.issue_priority
            and row.usage_period == self.usage_period
            and row.usage_period_anchor == self.usage_period_anchor
            and row.measure_usage_from == self.measure_usage_from
            and row.resets_usage == self.resets_usage
        )


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is stored against what is wanted: `kept` by the number of who wants it, `gone` wanted by nobody."""

    stored: list[Entitlement]
    kept: dict[int, Entitlement]
    gone: list[Entitlement]

    def moved(self, wanted: Sequence[ManagedEntitlement]) -> list[tuple[int, Entitlement]]:
        """What stays and ends at another time."""
        return [(number, row) for number, row in self.kept.items() if row.active_to != wanted[number].active_to]


def _difference(stored: list[Entitlement], wanted: Sequence[ManagedEntitlement]) -> _Difference:
    stored = [row for row in stored if row.managed_in is not None]
    left = [row for row in stored if row.deleted_at is None]
    kept: dict[int, Entitlement] = {}
    for number, each in enumerate(wanted):
        row = next((row for row in left if each.is_of(row)), None)
        if row is not None:
            kept[number] = row
            left.remove(row)
    return _Difference(stored, kept, left)


def settle_managed(customer_id: uuid.UUID, wanted: Sequence[ManagedEntitlement]) -> None:
    """Let the customer's managed entitlements be `wanted`, which are in order of time. Repeating it writes nothing.

    One that stays is ended or lengthened; one that is wanted no more ends where it began, and what staff granted on it
    goes to whoever takes its place. In the transaction that changes the facts, behind the customer's lock. Raises
    `EntitlementTaken` (Conflict) where the customer is entitled to a feature by hand at that time; what somebody had by
    hand and has no more keeps its time, and theirs begins after it. One query where there is nothing to do.
    """
    stored = list(_stored([customer_id]))
    wanted = _apart(wanted, stored)
    difference = _difference(stored, wanted)
    if difference.gone or difference.moved(wanted) or len(difference.kept) < len(wanted):
        _write(customer_id, wanted, difference)


def unsettled(wanted: Mapping[uuid.UUID, Sequence[ManagedEntitlement]]) -> dict[uuid.UUID, list[str]]:
    """What `settle_managed` would change for each of these customers, in words; only of whom it would change any. One
    query."""
    stored: dict[uuid.UUID, list[Entitlement]] = {customer_id: [] for customer_id in wanted}
    for row in _stored(wanted):
        stored[row.customer_id].append(row)
    found: dict[uuid.UUID, list[str]] = {}
    for customer_id, all_of_them in wanted.items():
        theirs = _apart(all_of_them, stored[customer_id])
        difference = _difference(stored[customer_id], theirs)
        problems = [
            f"they have an entitlement to {row.feature_key} from {row.active_from:%Y-%m-%d %H:%M} UTC that none of "
            "their subscriptions gives them."
            for row in difference.gone
        ]
        problems += [
            f"their entitlement to {row.feature_key} from {row.active_from:%Y-%m-%d %H:%M} UTC ends at another time "
            "than their subscription says."
            for _, row in difference.moved(theirs)
        ]
        problems += [
            f"they lack the entitlement to {each.feature_key} that their subscription gives them from "
            f"{each.active_from:%Y-%m-%d %H:%M} UTC."
            for number, each in enumerate(theirs)
            if number not in difference.kept
        ]
        if problems:
            found[customer_id] = problems
    return found


def _stored(customer_ids: Collection[uuid.UUID]) -> QuerySet[Entitlement]:
    """By hand, too."""
    return among(Entitlement.objects.all(), "customer_id", customer_ids).order_by("active_from", "id")


def _apart(wanted: Sequence[ManagedEntitlement], stored: Sequence[Entitlement]) -> list[ManagedEntitlement]:
    """`wanted` without the time of what was given by hand and is over."""
    now = clock.now()
    over = [row for row in stored if row.managed_in is None and row.active_to is not None and row.active_to <= now]
    found = list(wanted)
    for row in over:
        found = [part for each in found for part in _cut(each, row)]
    return found


def _cut(each: ManagedEntitlement, row: Entitlement) -> Iterator[ManagedEntitlement]:
    """The parts of `each` before and after `row`. The one after begins anew: `row` had a balance of its own."""
    start, end = row.active_from, row.active_to
    overlaps = end is not None and each.active_from < end and (each.active_to is None or start < each.active_to)
    if end is None or not overlaps or start == end or row.feature_key != each.feature_key:
        yield each
        return
    if each.active_from < start:
        yield replace(each, active_to=start)
    if _is_longer(each.active_to, end):
        measured = None if each.measure_usage_from is None else end
        yield replace(each, active_from=end, measure_usage_from=measured, resets_usage=True)


@transaction.atomic
def _write(customer_id: uuid.UUID, wanted: Sequence[ManagedEntitlement], difference: _Difference) -> None:
    gone, kept = difference.gone, difference.kept
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    now = clock.now()
    ends = {row.pk: row.active_to for row in gone}
    for row in gone:
        row.active_to, row.deleted_at = row.active_from, now
        row.save(update_fields=["active_to", "deleted_at", "updated_at"])
    _refuse_by_hand(customer, wanted)
    # What becomes shorter first: it makes room for what becomes longer.
    in_order = sorted(kept.items(), key=lambda each: _is_longer(wanted[each[0]].active_to, each[1].active_to))
    for number, row in in_order:
        if row.active_to != wanted[number].active_to:
            row.active_to = wanted[number].active_to
            row.save(update_fields=["active_to", "updated_at"])
    _create(customer, wanted, kept, _Replaced(gone, ends, difference.stored))


def _is_longer(end: datetime | None, than: datetime | None) -> bool:
    return than is not None and (end is None or end > than)


class _Replaced:
    """The entitlements that are wanted no more, and how those in their place go on from them."""

    def __init__(
        self,
        gone: Sequence[Entitlement],
        ends: Mapping[uuid.UUID, datetime | None],
        stored: Sequence[Entitlement],
    ) -> None:
        self._left = list(gone)
        self._ends = ends
        self._gone = frozenset(row.pk for row in gone)
        self._stored = {row.pk: row for row in stored}
        self.relinked: dict[uuid.UUID, Entitlement] = {}

    def by(self, each: ManagedEntitlement) -> list[Entitlement]:
        """Those whose time `each` takes, once."""
        found = [
            row
            for row in self._left
            if row.feature_key == each.feature_key
            and (each.active_to is None or row.active_from < each.active_to)
            and _is_longer(self._ends[row.pk], each.active_from)
        ]
        self._left = [row for row in self._left if row not in found]
        return found

    def left(self) -> list[Entitlement]:
        """Those in whose time there is nothing now: an end that is taken back in two steps, or for good."""
        return self._left

    def link(self, row: Entitlement, before: Entitlement | None) -> None:
        """Let `row` go on from `before`, and from what it took the place of at earlier times."""
        tail = row
        while (
            tail.continues_id in self._stored
            and tail.continues_id not in self._gone
            and self._stored[tail.continues_id].deleted_at is not None
        ):
            tail = self._stored[tail.continues_id]
        if tail.continues_id != (None if before is None else before.pk):
            tail.continues = before
            self.relinked[tail.pk] = tail


def _refuse_by_hand(customer: Customer, wanted: Sequence[ManagedEntitlement]) -> None:
    keys = {each.feature_key for each in wanted}
    by_hand = Entitlement.objects.filter(customer=customer, feature_key__in=keys, managed_in=None)
    for row in by_hand:
        for each in wanted:
            begins, ends = max(row.active_from, each.active_from), [row.active_to, each.active_to]
            if row.feature_key == each.feature_key and all(end is None or begins < end for end in ends):
                raise taken(customer, each.feature_key, row)


def _create(
    customer: Customer, wanted: Sequence[ManagedEntitlement], kept: Mapping[int, Entitlement], replaced: _Replaced
) -> None:
    """Rows for what is wanted and not kept, each linked to the one that it goes on from."""
    last: dict[str, Entitlement] = {}
    before_last: dict[str, Entitlement | None] = {}
    rows: list[Entitlement] = []
    for number, each in enumerate(wanted):
        before = last.get(each.feature_key) if each.follows else None
        row = kept.get(number)
        if row is None:
            row = _row(customer, each)
            rows.append(row)
        for old in replaced.by(each):
            replaced.link(old, before)
            before = old
        replaced.link(row, before)
        last[each.feature_key], before_last[each.feature_key] = row, before
    for old in replaced.left():
        if old.feature_key in last:
            replaced.link(old, before_last[old.feature_key])
            replaced.link(last[old.feature_key], old)
            before_last[old.feature_key] = old
    created = {row.pk for row in rows}
    Entitlement.objects.bulk_create(rows)
    Grant.objects.bulk_create(grant for row in rows if (grant := issued_grant(row)) is not None)
    for row in replaced.relinked.values():
        if row.pk not in created:
            row.save(update_fields=["continues", "updated_at"])


def _row(customer: Customer, each: ManagedEntitlement) -> Entitlement:
    return Entitlement(
        id=new_id(),
        customer=customer,
        feature_id=each.feature_id,
        feature_key=each.feature_key,
        type=each.type,
        active_from=each.active_from,
        active_to=each.active_to,
        config=each.config,
        soft_limit=each.soft_limit,
        preserve_overage=each.preserve_overage,
        issue_after_reset=each.issue,
        issue_priority=each.issue_priority,
        measure_usage_from=each.measure_usage_from,
        resets_usage=each.resets_usage,
        usage_period=each.usage_period,
        usage_period_anchor=each.usage_period_anchor,
        time_zone=each.time_zone,
        managed_by=each.item_id,
        managed_in=each.subscription_id,
        managed_keys={**each.keys, "subscription": to_text(each.subscription_id)},
    )
