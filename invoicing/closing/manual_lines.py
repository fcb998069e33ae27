"""Owns charges that staff or API make by hand: lines of no subscription that wait on a gathering invoice (billing
rules 6). No I/O.

They are kept apart from what subscriptions owe: nothing is planned for them, they settle no window, and no close adds
one or takes one away. They fall due at their `invoice_at`, are collected like everything else, and are rated as they
are invoiced.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.errors import BillingError
from core.jsontext import canonical_json
from core.money import ONE
from invoicing.closing.details import details_of
from invoicing.corrections.credit_rows import Row, tax_columns
from invoicing.errors import CannotBill
from invoicing.lifecycle.bounds import refuse_beyond
from invoicing.money_columns import Totals, line_totals
from invoicing.rating import RatedLine, RatingInput, rate
from invoicing.tax import LineTax, TaxTerms
from subscriptions.pricing import IN_ARREARS, parse_discounts, parse_price

BY_HAND = ("invoice_id", "position", "updated_at")
"""The columns, beside those of money and tax, that change when such a line moves to a standard invoice."""


@dataclass(slots=True)
class ManualLine:
    """A charge by hand that waits: `row` are its columns. It falls due at `invoice_at`, and is collected at
    `collect_at`. It belongs to no subscription, and adds to nothing."""

    row: Mapping[str, Any]
    collect_at: datetime
    subscription_id: None = field(default=None, init=False)
    amends: None = field(default=None, init=False)
    group: None = field(default=None, init=False)

    @property
    def id(self) -> uuid.UUID:
        found: uuid.UUID = self.row["id"]
        return found

    @property
    def invoice_id(self) -> uuid.UUID:
        found: uuid.UUID = self.row["invoice_id"]
        return found

    @property
    def currency(self) -> str:
        return str(self.row["currency"])

    @property
    def start(self) -> datetime:
        found: datetime = self.row["period_start"]
        return found

    @property
    def end(self) -> datetime:
        found: datetime = self.row["period_end"]
        return found

    @property
    def invoice_at(self) -> datetime:
        found: datetime = self.row["invoice_at"]
        return found

    @property
    def waiting(self) -> "ManualLine":
        """The gathering line that it already is."""
        return self

    @property
    def in_advance(self) -> bool:
        """Whether it is taxed at its issue, as a fee in advance is (billing rules 12)."""
        return (self.row["price"] or {}).get("paymentTerm") != IN_ARREARS

    @property
    def tax_config(self) -> str | None:
        """Its tax settings, as JSON text."""
        config = self.row["tax_config"]
        return None if config is None else canonical_json(config)


@dataclass(slots=True)
class RatedManualLine:
    """A charge by hand with its money; `tax` is worked out for the invoice as a whole."""

    manual: ManualLine
    rated: RatedLine
    tax_terms: TaxTerms | None = None
    tax: LineTax | None = None
    subscription_id: None = field(default=None, init=False)

    @property
    def id(self) -> uuid.UUID:
        return self.manual.id

    @property
    def start(self) -> datetime:
        return self.manual.start

    @property
    def end(self) -> datetime:
        return self.manual.end

    @property
    def net(self) -> Decimal:
        return self.rated.net

    def totals(self) -> Totals:
        """The money columns of the line."""
        return line_totals(self.rated.amount, self.rated.charges_total, self.rated.discounts_total, self.tax)


def rate_by_hand(
    price: Mapping[str, Any] | None, discounts: Mapping[str, Any] | None, quantity: Decimal, currency: str, field: str
) -> RatedLine:
    """What a charge by hand comes to. InvalidInput names what is wrong by its path under `field`; CannotBill
    where there is no price."""
    parsed = parse_price(price, f"{field}.price")
    if parsed is None:
        raise CannotBill("A charge without a price can't be billed.", code="no_price")
    return rate(RatingInput(parsed, quantity, currency, parse_discounts(discounts, f"{field}.discounts", price=parsed)))


def rate_manual(line: ManualLine) -> RatedManualLine:
    """The line with its money. CannotBill where it can't be rated, or comes to more than the safety bound."""
    row = line.row
    try:
        rated = rate_by_hand(row["price"], row["discounts"], row["quantity"] or ONE, line.currency, "rateCard")
    except BillingError as error:
        raise CannotBill(f"{row['name']}: {error.message}", code=error.code) from error
    refuse_beyond(
        str(row["name"]),
        (rated.amount, rated.charges_total, rated.discounts_total),
        line.currency,
        otherwise="take the charge off the gathering invoice, then release the customer.",
    )
    return RatedManualLine(line, rated)


def manual_columns(line: RatedManualLine) -> Row:
    """The columns that rating and tax fill."""
    return {
        "quantity": line.rated.quantity,
        "metered_quantity": None,
        "pre_period_quantity": None,
        "explain": line.rated.explanation,
        **tax_columns(line.tax_terms),
        **line.totals(),
    }


def moved_row(line: RatedManualLine, invoice_id: uuid.UUID, position: int, now: datetime) -> Row:
    """The line as it stands on the standard invoice that it moves to."""
    moved = {"invoice_id": invoice_id, "position": position, "updated_at": now}
    return {**line.manual.row, **moved, **manual_columns(line)}


def manual_details(line: RatedManualLine) -> list[Row]:
    """The detailed lines of a rated charge by hand."""
    return details_of(line.id, line.rated, line.start, line.end)
