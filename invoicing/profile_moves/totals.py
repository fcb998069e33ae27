"""What a profile migration comes to in money: next invoices old and new, added up per currency; writes nothing.

The first customers are added up while a page waits. All of them are added up by a worker, batch by batch; how far it is
stands in the cache, where a worker that dies leaves it to the next one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.core.cache import cache
from django.db.models import QuerySet

from core import clock
from core.ids import new_id
from invoicing.choices import MoveVerdict
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.preview_move import MOST_AT_ONCE, MoneyImpact, preview_move

MOST_WHILE_WAITING = 500
_KEPT_SECONDS = 60
_ALL_KEPT_SECONDS = 24 * 3600
# A worker tells after each batch that it is at it; whose last word is older is believed dead.
_SILENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Total:
    """The next invoices in one currency: of how many customers, and what they come to before and after."""

    currency: str
    count: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    changed: int = 0

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals per currency over `shown` of the `of` customers who can move, as of `at`. `heard_at` (real time) is
    when the worker that adds up all of them last said so; None where none was asked to."""

    rows: tuple[Total, ...]
    shown: int
    of: int
    failures: int
    at: datetime
    heard_at: datetime | None = None

    @property
    def is_cut(self) -> bool:
        return self.shown < self.of

    @property
    def is_under_way(self) -> bool:
        return self.is_cut and self.heard_at is not None and clock.real_now() - self.heard_at < _SILENCE

    @property
    def percent(self) -> int:
        return self.shown * 100 // self.of if self.of else 100


def totals_of(migration: ProfileMigration) -> Totals:
    """The totals over all customers where a worker adds them up or did within a day; else over the first
    `MOST_WHILE_WAITING`, as of now or a minute ago, since the page asks at each click on a filter."""
    kept: Totals | None = cache.get(_key_of_all(migration))
    if kept is not None:
        return kept
    key = f"migration-totals:{migration.pk}:{migration.updated_at.isoformat()}"
    kept = cache.get(key)
    if kept is None:
        kept = _totals_of_first(migration)
        cache.set(key, kept, _KEPT_SECONDS)
    return kept


def announce_totals(migration: ProfileMigration) -> bool:
    """Say that a worker is asked for the totals over all customers; False where one is at it already."""
    key, now = _key_of_all(migration), clock.real_now()
    kept: Totals | None = cache.get(key)
    if kept is not None and kept.is_under_way:
        return False
    if kept is None or not kept.is_cut:
        kept = Totals((), 0, _movable(migration).count(), 0, clock.now())
    cache.set(key, replace(kept, heard_at=now), _ALL_KEPT_SECONDS)
    return True


def add_up_all(migration_id: uuid.UUID) -> None:
    """Go on adding up all customers who can move, in the order in which they do, until all are; a worker's job.

    It stops where the customers are checked anew, and leaves the work to another worker that is at it already.
    """
    migration = ProfileMigration.objects.select_related(
        "from_profile__supplier", "from_profile__app", "to_profile__supplier", "to_profile__app"
    ).get(pk=migration_id)
    key, lock, token = _key_of_all(migration), f"migration-totals-worker:{migration.pk}", str(new_id())
    if not cache.add(lock, token, _SILENCE.total_seconds()):
        return
    try:
        ids = list(_movable(migration).order_by("id").values_list("customer_id", flat=True))
        totals: Totals = cache.get(key) or Totals((), 0, len(ids), 0, clock.now())
        same = ProfileMigration.objects.filter(pk=migration.pk, checked_at=migration.checked_at)
        while totals.shown < len(ids) and same.exists() and cache.get(lock) == token:
            batch = ids[totals.shown : totals.shown + MOST_AT_ONCE]
            totals = _plus(totals, preview_move(migration=migration, customer_ids=batch), len(batch))
            totals = replace(totals, of=len(ids), heard_at=clock.real_now())
            cache.set(key, totals, _ALL_KEPT_SECONDS)
            cache.touch(lock, _SILENCE.total_seconds())
    finally:
        if cache.get(lock) == token:
            cache.delete(lock)


def _key_of_all(migration: ProfileMigration) -> str:
    checked = migration.checked_at.isoformat() if migration.checked_at else ""
    return f"migration-totals-all:{migration.pk}:{checked}"


def _movable(migration: ProfileMigration) -> QuerySet[MigrationItem]:
    return migration.items.exclude(verdict=MoveVerdict.BLOCKED)


def _totals_of_first(migration: ProfileMigration) -> Totals:
    movable = _movable(migration)
    ids = list(movable.order_by("id").values_list("customer_id", flat=True)[:MOST_WHILE_WAITING])
    totals = Totals((), 0, len(ids) if len(ids) < MOST_WHILE_WAITING else movable.count(), 0, clock.now())
    for start in range(0, len(ids), MOST_AT_ONCE):
        batch = ids[start : start + MOST_AT_ONCE]
        totals = _plus(totals, preview_move(migration=migration, customer_ids=batch), len(batch))
    return totals


def _plus(totals: Totals, impacts: Sequence[MoneyImpact], count: int) -> Totals:
    """The totals with `count` more customers, who have these impacts."""
    rows = {total.currency: total for total in totals.rows}
    for impact in impacts:
        if impact.before is None or impact.after is None:
            continue
        total = rows.get(impact.currency, Total(impact.currency))
        rows[impact.currency] = Total(
            impact.currency,
            total.count + 1,
            total.before + impact.before.total,
            total.after + impact.after.total,
            total.changed + int(impact.before.total != impact.after.total),
        )
    return replace(
        totals,
        rows=tuple(rows[currency] for currency in sorted(rows)),
        shown=totals.shown + count,
        failures=totals.failures + sum(1 for impact in impacts if impact.cause),
    )
