"""Owns the adjustments for late usage on their way from the gathering invoice to a standard one (billing rules 6).

Their money was worked out when they were decided about and is written on them: a close only takes them along, and works
out their tax.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.ids import new_id
from core.jsontext import canonical_json
from core.money import ONE, ZERO, round_money
from invoicing.closing.plan import PlannedLine
from invoicing.corrections.credit_rows import Row, tax_columns
from invoicing.models import InvoiceLine
from invoicing.money_columns import Totals, line_totals
from invoicing.rating import read_explanation
from invoicing.rating.values import REGULAR
from invoicing.tax import LineTax, TaxTerms

# What changes of an adjustment when a standard invoice takes it.
LATE_COLUMNS = (
    "invoice_id",
    "position",
    "updated_at",
    "tax_rate",
    "tax_name",
    "tax_behavior",
    "amount",
    "charges_total",
    "discounts_total",
    "credits_total",
    "taxes_inclusive_total",
    "taxes_exclusive_total",
    "taxes_total",
    "total",
)


@dataclass(slots=True)
class LateLine:
    """An adjustment that waits on the gathering invoice; it is collected at `collect_at`, with the first line that is
    due in its currency, or at once where none waits."""

    row: Mapping[str, Any]
    net: Decimal
    collect_at: datetime
    tax_terms: TaxTerms | None = None
    tax: LineTax | None = None

    @property
    def id(self) -> uuid.UUID:
        line_id: uuid.UUID = self.row["id"]
        return line_id

    @property
    def gathering_id(self) -> uuid.UUID:
        invoice_id: uuid.UUID = self.row["invoice_id"]
        return invoice_id

    @property
    def subscription_id(self) -> uuid.UUID:
        subscription_id: uuid.UUID = self.row["subscription_id"]
        return subscription_id

    @property
    def currency(self) -> str:
        currency: str = self.row["currency"]
        return currency

    @property
    def start(self) -> datetime:
        start: datetime = self.row["period_start"]
        return start

    @property
    def end(self) -> datetime:
        end: datetime = self.row["period_end"]
        return end

    @property
    def tax_config(self) -> str | None:
        config = self.row["tax_config"]
        return None if config is None else canonical_json(config)

    def totals(self) -> Totals:
        zero = round_money(ZERO, self.currency)
        return line_totals(self.net, zero, zero, self.tax)

    def rated_columns(self) -> Row:
        """The columns that its money and its tax fill."""
        return tax_columns(self.tax_terms) | self.totals()

    def moved_row(self, invoice_id: uuid.UUID, position: int, now: datetime) -> Row:
        """The line as it stands on the standard invoice."""
        moved = {"invoice_id": invoice_id, "position": position, "updated_at": now}
        return {**self.row, **moved, **self.rated_columns()}

    def detail_row(self) -> Row:
        """Its one detailed line."""
        return {
            "id": new_id(),
            "line_id": self.id,
            "position": 0,
            "category": REGULAR,
            "name": self.row["name"],
            "period_start": self.start,
            "period_end": self.end,
            "quantity": ONE,
            "unit_amount": self.net,
            "amount": self.net,
            "discounts_total": round_money(ZERO, self.currency),
            "total": self.net,
        }


def load_late_lines(line_ids: Iterable[uuid.UUID]) -> list[LateLine]:
    """These lines of gathering invoices, the oldest first. One query; none for no lines."""
    ids = list(line_ids)
    if not ids:
        return []
    rows = InvoiceLine.objects.filter(pk__in=ids).order_by("invoice_at", "id").values()
    return [LateLine(row, read_explanation(row["explain"] or {}).net, row["invoice_at"]) for row in rows]


def collected_with(late: LateLine, lines: Sequence[PlannedLine], otherwise: datetime) -> datetime:
    """When an adjustment is collected: with the first of `lines`, all that is planned for its customer, that is in its
    currency; where there is none, as its own time says (`otherwise`)."""
    others = [
        line.collect_at
        for line in lines
        if line.on_draft is None and line.obligation.subscription.currency == late.currency
    ]
    return min(others, default=otherwise)
