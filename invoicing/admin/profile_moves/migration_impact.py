"""What a move means in money for single customers, as pages show it: their next invoices, old and new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from customers.models import BillingProfile, Customer
from invoicing.models import MigrationItem, ProfileMigration
from invoicing.profile_moves.preview_move import MoneyImpact, preview_move


@dataclass(frozen=True, slots=True)
class Shown:
    """One next invoice with the customer it is for."""

    customer: Customer
    impact: MoneyImpact


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
