"""Owns what a preview shows of the documents and balance movements to come. It reads nothing stored."""

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.errors import BillingError
from core.money import ZERO
from invoicing.choices import BalanceKind, LineKind
from invoicing.money_columns import Totals, add_totals

INVOICE = "invoice"
CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class OutlookLine:
    """One line: `amount` is net of tax; negative where an invoice gives something back, positive on a credit note.
    `totals` has the columns of a line's totals, with `amount` before discounts and commitments. `made_at` is when the
    line comes about. `id` is that of an invoice's line, which it has already while it waits on a gathering invoice; on
    a credit note, that of the line that is given back."""

    id: uuid.UUID
    name: str
    kind: str
    subscription_id: uuid.UUID | None
    running_number: int | None
    period_start: datetime
    period_end: datetime
    invoice_at: datetime
    quantity: Decimal
    amount: Decimal
    totals: Totals
    made_at: datetime

    @property
    def taxes_total(self) -> Decimal:
        return self.totals["taxes_total"]

    @property
    def total(self) -> Decimal:
        return self.totals["total"]


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
class OutlookDocument:
    """An invoice, or a credit note (`type`), as it will be made.

    `at` is when it is issued; of a draft, when its time of review is over, and where it `needs_approval`, when it is
    drafted. `totals` has the columns of an invoice's or a credit note's. `movements` are those of the balance that it
    brings about. `gathered_from`: all bills from then on are shown as one, of which this document is. `problem`: why a
    draft can't be issued before staff mend it.

    `over` is the number of the invoice that a credit note is made out over, None where that is still to come;
    `reduced_due` of its total comes off what is due there, `moved_to_balance` goes to the balance. Of an invoice's
    total, `applied_from_balance` is paid by the balance, and `due` is what is left then. Each is None where the
    document is of the other type.
    """

    type: str
    customer_id: uuid.UUID
    at: datetime
    currency: str
    totals: Totals
    lines: tuple[OutlookLine, ...]
    movements: tuple[BalanceMovement, ...] = ()
    gathered_from: datetime | None = None
    due: Decimal | None = None
    applied_from_balance: Decimal | None = None
    over: str | None = None
    reduced_due: Decimal | None = None
    moved_to_balance: Decimal | None = None
    is_draft: bool = False
    needs_approval: bool = False
    problem: str | None = None

    @property
    def is_invoice(self) -> bool:
        return self.type == INVOICE

    @property
    def total(self) -> Decimal:
        return self.totals["total"]

    @property
    def line_totals(self) -> Totals:
        """The sums of its lines' totals: those of a credit note in all columns that an invoice has."""
        return self.totals if self.is_invoice else add_totals([line.totals for line in self.lines], self.currency)

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
class Outlook:
    """All documents and balance movements of a customer that will follow until `until`, in order of time.

    By what is known now: usage to come is not, and automatic charges are taken to succeed. `gathered_from`: from then
    on up to the change or the time asked for, there are so many bills that they are shown as one. `problem`: why
    nothing is billed from `stopped_at` on, as far as can be foretold; drafts are issued all the same.
    """

    until: datetime
    documents: tuple[OutlookDocument, ...] = ()
    movements: tuple[BalanceMovement, ...] = ()
    gathered_from: datetime | None = None
    problem: BillingError | None = None
    stopped_at: datetime | None = None

    @property
    def cause(self) -> str | None:
        return None if self.problem is None else self.problem.message

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
