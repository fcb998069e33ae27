"""Credits an issued invoice, whole or by line and amount; to the balance, or refunded in the same act (billing rules
6)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput, PreconditionFailed
from core.locks import lock_customers
from core.money import round_money
from invoicing.choices import CreditReason, InvoiceStatus
from invoicing.corrections.book_credit_notes import book_credit_notes
from invoicing.corrections.creditable_lines import CreditableLine, creditable_lines
from invoicing.corrections.documents import CreditNoteDocument, CreditPart
from invoicing.errors import WrongInvoiceState
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import CreditNote, CreditNoteLine, Invoice, Refund
from invoicing.payments.refund import refund_over_payments

NOTHING_LEFT = "Everything on it has been credited already."


@dataclass(frozen=True, slots=True)
class LineCredit:
    """`amount` (positive, net: at the line's own tax treatment) of the line `line_id`."""

    line_id: uuid.UUID
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Credited:
    """The credit note with its lines, its invoice with the sums as they are then, and what went back to payment
    methods."""

    note: CreditNote
    lines: tuple[CreditNoteLine, ...]
    invoice: Invoice
    refunds: tuple[Refund, ...]


def why_not_credit(invoice: Invoice) -> str:
    """Why `invoice` can't be credited as it stands now, "" where it can. Four queries at most."""
    if invoice.status == InvoiceStatus.GATHERING:
        return "Nothing of it is invoiced yet."
    if invoice.status in (InvoiceStatus.VOIDED, InvoiceStatus.DELETED):
        return f"It is {invoice.get_status_display().lower()}: nothing is owed for it."
    if invoice.issued_at is None:
        return "It is a draft: change it, or delete it."
    return "" if any(each.left > 0 for each in creditable_lines(invoice)) else NOTHING_LEFT


def credit_invoice(
    *, invoice: Invoice, lines: Sequence[LineCredit] | None, refund: bool, reason: str, preview: bool = False
) -> Credited:
    """Issue a credit note over `invoice`: of these `lines`, or (None) of all that is left on it.

    What is still due, or was written off, is lowered first. The rest goes to the customer's balance; with `refund`, as
    much of it as payments brought in goes back to the methods that it was paid by. It opens no window: what was billed
    stays billed. InvalidInput without a reason, for a line of another invoice, and for an amount that isn't above zero,
    is too fine, or is more than is left on its line; WrongInvoiceState for what is no issued invoice;
    PreconditionFailed where nothing is left. None changes anything. With `preview`, all is undone again.
    """
    with transaction.atomic(), uncounted(when=preview):
        credited = _credit(invoice, lines, refund, reason)
        if preview:
            transaction.set_rollback(True)
    return credited


def _credit(invoice: Invoice, lines: Sequence[LineCredit] | None, refund: bool, reason: str) -> Credited:
    if not reason.strip():
        wrong = "Say why it is credited."
        raise InvalidInput(f"{wrong} Nothing was changed.", problems=[FieldProblem("reason", "required", wrong)])
    lock_customers([invoice.customer_id])
    locked = _locked(invoice)
    if locked.issued_at is None or locked.status == InvoiceStatus.VOIDED:
        raise WrongInvoiceState(f"{locked} can't be credited. {why_not_credit(locked)} Nothing was changed.")
    parts = _parts(locked, lines)
    if not parts:
        raise PreconditionFailed(f"{locked}: {NOTHING_LEFT} Nothing was changed.", code="nothing_left")
    document = CreditNoteDocument(
        locked.customer_id, locked.currency, locked.pk, parts, CreditReason.CORRECTION, reason.strip()
    )
    book_credit_notes([document], now=clock.now())
    note = CreditNote.objects.select_related("customer").get(pk=document.id)
    locked = _locked(invoice)
    refunds = refund_over_payments(locked, note.moved_to_balance, reason=reason) if refund else []
    given = sum((each.amount for each in refunds), note.total - note.total)
    back = f", of which {money_text(given, note.currency)} is refunded" if given else ""
    record(
        verb="credit_invoice",
        target=locked,
        did=f"credited {money_text(note.total, note.currency)} of {locked} of {locked.customer} by {note}{back}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return Credited(note, tuple(note.lines.order_by("position")), locked, tuple(refunds))


def _locked(invoice: Invoice) -> Invoice:
    return Invoice.objects.select_for_update(of=("self",)).select_related("customer").get(pk=invoice.pk)


def _parts(invoice: Invoice, lines: Sequence[LineCredit] | None) -> list[CreditPart]:
    creditable = creditable_lines(invoice)
    if lines is None:
        return [_part(each, each.left) for each in creditable if each.left > 0]
    known = {each.line.pk: each for each in creditable}
    problems, parts, seen = [], [], set()
    for index, wanted in enumerate(lines):
        each = known.get(wanted.line_id)
        wrong = _problem(invoice, each, wanted, again=wanted.line_id in seen)
        seen.add(wanted.line_id)
        if wrong is not None:
            field, code, message = wrong
            problems.append(FieldProblem(f"lines.{index}.{field}", code, message))
        elif each is not None:
            parts.append(_part(each, round_money(wanted.amount, invoice.currency)))
    if not lines:
        problems.append(FieldProblem("lines", "required", "Name a line, or credit everything that is left."))
    if problems:
        said = " ".join(problem.message for problem in problems)
        raise InvalidInput(f"{said} Nothing was changed.", code=problems[0].code, problems=problems)
    return parts


def _problem(
    invoice: Invoice, each: CreditableLine | None, wanted: LineCredit, *, again: bool
) -> tuple[str, str, str] | None:
    """What is wrong with a line that is to be credited: the field, a code, and the words."""
    if each is None:
        return "lineId", "no_charge_of_this_invoice", f"That is no line of {invoice} which charges something."
    name, amount, currency = each.line.name, wanted.amount, invoice.currency
    if again:
        return "lineId", "twice", f"{name} is named twice."
    if amount <= 0:
        return "amount", "not_positive", f"What is credited of {name} must be more than zero."
    if amount != round_money(amount, currency):
        return "amount", "too_fine", f"What is credited of {name} must be in whole units of {currency}."
    if amount > each.left:
        left = money_text(each.left, currency)
        return "amount", "more_than_left", f"Only {left} net is left on {name}."
    return None


def _part(each: CreditableLine, amount: Decimal) -> CreditPart:
    line = each.line
    return CreditPart(line.pk, line.name, line.period_start, line.period_end, amount, each.tax_terms)
