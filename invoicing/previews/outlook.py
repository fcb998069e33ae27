"""Owns what a preview shows of the documents and balance movements to come. Pure."""

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.money import ZERO
from invoicing.choices import BalanceKind, LineKind

INVOICE = "invoice"
CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class OutlookLine:
    """One line: `amount` is net of tax; negative where an invoice gives something back, positive on a credit note.
    `made_at` is when the line comes about."""

    name: str
    kind: str
    subscription_id: uuid.UUID | None
    running_number: int | None
    period_start: datetime
    period_end: datetime
    amount: Decimal
    taxes_total: Decimal
    total: Decimal
    made_at: datetime


@dataclass(frozen=True, slots=True)
class OutlookDocument:
    """An invoice, or a credit note (`type`), as it will be made.

    `at` is when it is issued; of a draft, when its time of review is over, and where it `needs_approval`, when it is
    drafted. `totals` has the columns of an invoice's or a credit note's. `over` is the number of the invoice that a
    credit note is made out over, None where that is still to come; `reduced_due` of its total comes off what is due
    there, `moved_to_balance` goes to the balance. Of an invoice's total, `applied_from_balance` is paid by the balance,
    and `due` is what is left then. Each is None where the document is of the other type.
    """

    type: str
    at: datetime
    currency: str
    totals: dict[str, Decimal]
    lines: tuple[OutlookLine, ...]
    due: Decimal | None = None
    applied_from_balance: Decimal | None = None
    over: str | None = None
    reduced_due: Decimal | None = None
    moved_to_balance: Decimal | None = None
    is_draft: bool = False
    needs_approval: bool = False

    @property
    def is_invoice(self) -> bool:
        return self.type == INVOICE

    @property
    def total(self) -> Decimal:
        return self.totals["total"]

    @property
    def net(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def settles(self) -> list[tuple[str, Decimal]]:
        """Where its total goes, in words, unless that is as everybody expects."""
        rows = [
            ("Off what is due on that invoice", self.reduced_due),
            ("To the balance", self.moved_to_balance),
        ]
        if self.applied_from_balance and self.due is not None:
            return [("Paid from the balance", -self.applied_from_balance), ("Due", self.due)]
        return [(label, amount) for label, amount in rows if amount]


@dataclass(frozen=True, slots=True)
class BalanceMovement:
    """A movement of the customer's balance: negative where it is used. `balance` is what it comes to with this one."""

    at: datetime
    kind: str
    amount: Decimal
    currency: str
    balance: Decimal

    @property
    def label(self) -> str:
        return str(BalanceKind(self.kind).label)


@dataclass(frozen=True, slots=True)
class Outlook:
    """All documents and balance movements of a customer that will follow until `until`, in order of time.

    By what is known now: usage to come is not, and automatic charges are taken to succeed. `gathered_from`: from then
    on up to the change, there are so many bills that they are shown as one. `cause`: why nothing more can be foretold.
    """

    until: datetime
    documents: tuple[OutlookDocument, ...] = ()
    movements: tuple[BalanceMovement, ...] = ()
    gathered_from: datetime | None = None
    cause: str | None = None

    def coming_back(
        self, subscription_ids: Collection[uuid.UUID], *, after: datetime, until: datetime, currency: str
    ) -> tuple[Decimal, Decimal]:
        """What comes back of these subscriptions in `(after, until]`: net, of it all, and gross, by credit note."""
        net = gross = ZERO
        for document in self.documents:
            if document.currency != currency:
                continue
            for line in _credits(document):
                if line.subscription_id in subscription_ids and after < line.made_at <= until:
                    net += abs(line.amount)
                    gross += ZERO if document.is_invoice else line.total
        return net, gross


def _credits(document: OutlookDocument) -> Iterator[OutlookLine]:
    return (line for line in document.lines if line.kind == LineKind.CREDIT)
