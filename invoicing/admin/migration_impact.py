"""What a profile migration means in money, as pages show it: next invoices old and new, and totals per currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.cache import cache

from core import clock
from customers.models import BillingProfile, Customer
from invoicing.choices import MoveVerdict
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.services.preview_move import MOST_AT_ONCE, MoneyImpact, preview_move

MOST_IN_TOTALS = 500
KEPT_SECONDS = 60


@dataclass(slots=True)
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
    """The totals per currency over the first customers who can move; `of` is how many there are."""

    rows: list[Total]
    shown: int
    of: int
    failures: int
    at: datetime

    @property
    def is_cut(self) -> bool:
        return self.shown < self.of


@dataclass(frozen=True, slots=True)
class Shown:
    """One next invoice with the customer it is for."""

    customer: Customer
    impact: MoneyImpact


def impact_totals(migration: ProfileMigration) -> Totals:
    """The totals over the first `MOST_IN_TOTALS` customers that are not blocked, as of now or a minute ago: they take
    as much as a close of these customers, and the page asks for them at each click on a filter."""
    key = f"migration-impact:{migration.pk}:{migration.updated_at.isoformat()}"
    kept: Totals | None = cache.get(key)
    if kept is None:
        kept = _totals(migration)
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def _totals(migration: ProfileMigration) -> Totals:
    movable = migration.items.exclude(verdict=MoveVerdict.BLOCKED)
    ids = list(movable.order_by("id").values_list("customer_id", flat=True)[:MOST_IN_TOTALS])
    count = len(ids) if len(ids) < MOST_IN_TOTALS else movable.count()
    impacts: list[MoneyImpact] = []
    for start in range(0, len(ids), MOST_AT_ONCE):
        impacts += preview_move(migration=migration, customer_ids=ids[start : start + MOST_AT_ONCE])
    return Totals(_added_up(impacts), len(ids), count, sum(1 for impact in impacts if impact.cause), clock.now())


def _added_up(impacts: Iterable[MoneyImpact]) -> list[Total]:
    totals: dict[str, Total] = {}
    for impact in impacts:
        if impact.before is None or impact.after is None:
            continue
        total = totals.setdefault(impact.currency, Total(impact.currency))
        total.count += 1
        total.before += impact.before.total
        total.after += impact.after.total
        total.changed += int(impact.before.total != impact.after.total)
    return sorted(totals.values(), key=lambda total: total.currency)


def shown_impacts(migration: ProfileMigration, items: Sequence[Any]) -> list[Shown]:
    """The next invoices of the customers of these items, which have them loaded."""
    customers = {item.customer_id: item.customer for item in items}
    impacts = preview_move(migration=migration, customer_ids=list(customers))
    return [Shown(customers[impact.customer_id], impact) for impact in impacts]


def shown_move(customer: Customer, source: BillingProfile, target: BillingProfile) -> list[Shown]:
    """The next invoices of one customer, were they moved."""
    move = ProfileMigration(from_profile=source, to_profile=target)
    return [Shown(customer, impact) for impact in preview_move(migration=move, customer_ids=[customer.pk])]


def shown_impact(item: MigrationItem) -> list[Shown]:
    """The next invoices of one customer."""
    return shown_impacts(item.migration, [item])
