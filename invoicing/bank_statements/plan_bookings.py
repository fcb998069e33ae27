"""Works out, before a bank statement is booked, where the money of each row would go. Writes nothing."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.money import ZERO
from invoicing.choices import InvoiceStatus, MatchStatus, RowDecision
from invoicing.models import BankStatementRow, Invoice
from invoicing.payments.receipts import split_receipt


@dataclass(frozen=True, slots=True)
class PlannedBooking:
    """A row with what it would pay. `problem` says why it can't be booked; then nothing of it goes anywhere."""

    row: BankStatementRow
    invoice: Invoice | None
    on_invoice: Decimal = ZERO
    to_balance: Decimal = ZERO
    still_due: Decimal = ZERO
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PlannedTotal:
    """What the rows of one currency come to."""

    currency: str
    count: int
    amount: Decimal
    on_invoices: Decimal
    to_balance: Decimal


def plan_bookings(rows: Iterable[BankStatementRow]) -> list[PlannedBooking]:
    """What booking these rows, in this order, would do; several rows for one invoice count after each other.

    The rows need their invoices. No query.
    """
    left: dict[object, tuple[Decimal, Decimal]] = {}
    planned = []
    for row in rows:
        invoice, problem = row.invoice, why_not_book(row)
        if invoice is None or problem:
            planned.append(PlannedBooking(row, invoice, problem=problem))
            continue
        voided = invoice.status == InvoiceStatus.VOIDED
        due, given_up = left.get(invoice.pk, (ZERO, ZERO) if voided else (invoice.due, invoice.written_off))
        split = split_receipt(row.amount, due=due, written_off=given_up)
        left[invoice.pk] = due - split.on_due, given_up - split.recovered
        on_invoice = split.on_due + split.recovered
        planned.append(PlannedBooking(row, invoice, on_invoice, split.to_balance, due - split.on_due))
    return planned


def why_not_book(row: BankStatementRow) -> str:
    """Why the row can't be booked on its invoice; empty when it can."""
    if row.payment_id is not None:
        return "It is booked already."
    if row.amount <= 0:
        return "No money came in by it."
    if row.match == MatchStatus.DUPLICATE and row.decision != RowDecision.BOOK:
        return "It seems to be booked already: open the row, and say why it is another payment."
    if row.invoice is None:
        return "Choose the invoice that it pays first."
    if row.invoice.issued_at is None:
        return f"{row.invoice} is not issued."
    if row.invoice.currency != row.currency:
        return f"{row.invoice} is in {row.invoice.currency}, the money in {row.currency}."
    return ""


def totals_of(planned: Iterable[PlannedBooking]) -> list[PlannedTotal]:
    """What can be booked of them, per currency."""
    by_currency: dict[str, list[PlannedBooking]] = defaultdict(list)
    for booking in planned:
        if not booking.problem:
            by_currency[booking.row.currency].append(booking)
    return [
        PlannedTotal(
            currency,
            len(bookings),
            sum((booking.row.amount for booking in bookings), ZERO),
            sum((booking.on_invoice for booking in bookings), ZERO),
            sum((booking.to_balance for booking in bookings), ZERO),
        )
        for currency, bookings in sorted(by_currency.items())
    ]
