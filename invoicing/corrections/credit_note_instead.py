"""Gives back otherwise what drafts were to give back: by credit note, where their charges can't take it any more."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from core.bulk import update_rows
from core.money import ZERO
from customers.choices import TaxBehavior
from invoicing.choices import LineKind
from invoicing.corrections.book_credit_notes import book_credit_notes
from invoicing.corrections.creditable_amount import CreditableAmount
from invoicing.corrections.documents import CreditNoteDocument, CreditPart
from invoicing.corrections.explain_credits import GIVEN_BY_NOTE, given_by_note, lessened, without_note
from invoicing.lifecycle.selectors import issuers_of
from invoicing.models import Invoice, InvoiceDetailedLine, InvoiceLine
from invoicing.rating.explanation_json import read_credit, to_stored
from invoicing.tax import TaxTerms


def give_back_otherwise(
    invoice_ids: Collection[uuid.UUID],
    *,
    now: datetime,
    everything: bool = False,
    billed_by: Collection[uuid.UUID] = (),
) -> None:
    """Take off these drafts what their charges can't take of their credits (`everything`: all of them), and make credit
    notes over the invoices that had charged it (billing rules 10).

    What comes back of a charge on the same draft stays: it is never more than that charge. The caller adds the drafts
    up again, in the transaction that holds the customers' locks. `billed_by` are the suppliers, beside those of the
    drafts, that the same transaction may issue invoices of later on.
    """
    lines: dict[uuid.UUID, list[InvoiceLine]] = defaultdict(list)
    kept = InvoiceLine.objects.counted().filter(invoice_id__in=invoice_ids)
    for line in kept.select_related("amends", "invoice").order_by("invoice_id", "position", "id"):
        lines[line.invoice_id].append(line)
    notes: dict[uuid.UUID, CreditNoteDocument] = {}
    for here in lines.values():
        back = [line for line in here if _gives_back_elsewhere(line)]
        charges = [] if everything else [line for line in here if not _gives_back_elsewhere(line)]
        room = CreditableAmount.of([(_net(line), _terms(line)) for line in charges], here[0].currency)
        for line in back:
            terms = _terms(line)
            amount = -_net(line)
            left = room.take(amount, terms)
            if left < amount:
                _lower(line, to=left, now=now)
                _add_part(notes, line.invoice.customer_id, line, amount - left)
    # Of all that was issued to them: what follows in this transaction may credit another one's invoice, or issue.
    issuers = issuers_of({note.customer_id for note in notes.values()})
    book_credit_notes(list(notes.values()), now=now, billed_by={*billed_by, *issuers})


def give_back_of_voided(invoice: Invoice, *, now: datetime, billed_by: Collection[uuid.UUID] = ()) -> list[uuid.UUID]:
    """Make credit notes of what `invoice`, which is voided, gave back of earlier invoices: the customer had paid it,
    and gets it all the same. Returns their ids.

    In the caller's transaction, which holds the customer's lock; `billed_by` are the suppliers that it may issue
    invoices of later on.
    """
    notes: dict[uuid.UUID, CreditNoteDocument] = {}
    for line in InvoiceLine.objects.counted().filter(invoice=invoice).select_related("amends").order_by("position"):
        if _gives_back_elsewhere(line):
            _add_part(notes, invoice.customer_id, line, -_net(line))
    book_credit_notes(list(notes.values()), now=now, billed_by={*billed_by, *issuers_of({invoice.customer_id})})
    return [note.id for note in notes.values()]


def _add_part(
    notes: dict[uuid.UUID, CreditNoteDocument], customer_id: uuid.UUID, line: InvoiceLine, amount: Decimal
) -> None:
    """Let the note over the invoice that had charged it give `amount` of a credit line."""
    assert line.amends is not None
    note = notes.setdefault(
        line.amends.invoice_id, CreditNoteDocument(customer_id, line.currency, line.amends.invoice_id, [])
    )
    explained = None if line.explain is None else read_credit(line.explain)
    given = None if explained is None else given_by_note(explained, amount)
    note.parts.append(
        CreditPart(line.amends.id, line.name, line.period_start, line.period_end, amount, _terms(line), given)
    )


def _gives_back_elsewhere(line: InvoiceLine) -> bool:
    """Whether it is a credit for a charge on another invoice."""
    return line.kind == LineKind.CREDIT and line.amends is not None and line.amends.invoice_id != line.invoice_id


def _net(line: InvoiceLine) -> Decimal:
    net: Decimal = line.amount + line.charges_total - line.discounts_total
    return net


def _terms(line: InvoiceLine) -> TaxTerms | None:
    if line.tax_rate is None:
        return None
    return TaxTerms(line.tax_rate, line.tax_behavior == TaxBehavior.INCLUSIVE, line.tax_name)


def _lower(line: InvoiceLine, *, to: Decimal, now: datetime) -> None:
    """Let a credit line give back `to` only (nothing: it goes); it explains that a credit note gives the rest."""
    if not to:
        InvoiceLine.objects.filter(pk=line.pk).update(deleted_at=now, updated_at=now)
        return
    assert line.explain is not None
    whole = without_note(read_credit(line.explain))
    explanation = lessened(whole, GIVEN_BY_NOTE, -whole.net - to)
    # Without tax until the draft is added up again.
    line.amount = line.total = -to
    line.taxes_inclusive_total = line.taxes_exclusive_total = line.taxes_total = ZERO
    line.explain, line.updated_at = to_stored(explanation), now
    line.save()
    detail = InvoiceDetailedLine.objects.get(line=line)
    update_rows(InvoiceDetailedLine, ("unit_amount", "amount", "total"), [(detail.id, -to, -to, -to)])
