"""Owns what outlooks of many customers come to, by currency, and who of them can't be billed."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import ZERO
from invoicing.errors import CustomerParked
from invoicing.previews.outlook import Outlook


@dataclass(slots=True)
class InCurrency:
    """What is billed in one currency. `drafts` are those of the `invoices` that are drafts at the end; `to_balance` and
    `from_balance` (both positive) is what movements of balances come to."""

    invoices: int = 0
    drafts: int = 0
    billed: Decimal = ZERO
    notes: int = 0
    given_back: Decimal = ZERO
    to_balance: Decimal = ZERO
    from_balance: Decimal = ZERO


@dataclass(slots=True)
class OutlookTotals:
    """The sums. `parked` are the customers whom a close would park, with the cause; `waiting` those who are parked
    already; `gathered` counts those of whom several bills are shown as one."""

    by_currency: dict[str, InCurrency] = field(default_factory=dict)
    parked: dict[uuid.UUID, str] = field(default_factory=dict)
    waiting: dict[uuid.UUID, str] = field(default_factory=dict)
    gathered: int = 0

    @property
    def invoices(self) -> int:
        return sum(sums.invoices for sums in self.by_currency.values())

    def add(self, outlooks: Mapping[uuid.UUID, Outlook]) -> None:
        """Take up what these customers' outlooks show."""
        for customer_id, outlook in outlooks.items():
            self._add(outlook)
            if outlook.problem is not None:
                waits = outlook.problem.code == CustomerParked.default_code
                (self.waiting if waits else self.parked)[customer_id] = outlook.problem.message
            self.gathered += outlook.gathered_from is not None

    def _add(self, outlook: Outlook) -> None:
        for document in outlook.documents:
            sums = self._in(document.currency)
            if document.is_invoice:
                sums.invoices += 1
                sums.drafts += document.is_draft
                sums.billed += document.total
            else:
                sums.notes += 1
                sums.given_back += document.total
        for move in outlook.movements:
            sums = self._in(move.currency)
            if move.amount > 0:
                sums.to_balance += move.amount
            else:
                sums.from_balance -= move.amount

    def _in(self, currency: str) -> InCurrency:
        return self.by_currency.setdefault(currency, InCurrency())
