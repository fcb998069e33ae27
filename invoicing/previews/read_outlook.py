"""Reads off the tables what a look ahead has brought about: whatever was not there before it."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, OuterRef, Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast, JSONObject

from core import clock
from core.errors import BillingError
from core.many_ids import among, any_of
from core.money import ONE, ZERO, round_money
from customers.models import Customer
from invoicing.choices import NO_DOCUMENTS, UNISSUED_STATUSES, LineKind
from invoicing.lifecycle.draft_steps import TO_RETRY
from invoicing.models import BalanceEntry, CreditNote, CreditNoteLine, Invoice, InvoiceLine
from invoicing.money_columns import TOTALS, Totals
from invoicing.previews.outlook import CREDIT_NOTE, INVOICE, BalanceMovement, Outlook, OutlookDocument, OutlookLine


@dataclass(frozen=True, slots=True)
class Known:
    """What customers have before a look ahead: since `now` (a clock may stand still), and of drafts their totals and
    status; and the balances, by customer and currency."""

    now: datetime
    customers: frozenset[uuid.UUID]
    invoices: frozenset[uuid.UUID]
    notes: frozenset[uuid.UUID]
    entries: frozenset[uuid.UUID]
    drafts: dict[uuid.UUID, tuple[Decimal, str]]
    balance: dict[tuple[uuid.UUID, str], Decimal]


@dataclass(slots=True)
class Reached:
    """How far a look ahead has come for a customer: to `moment`; all that was due from `gathered_from` on was done at
    once, at `gathered_at`. `problem`: why billing stopped at `stopped_at`; drafts go on all the same."""

    moment: datetime
    gathered_from: datetime | None = None
    gathered_at: datetime | None = None
    problem: BillingError | None = None
    stopped_at: datetime | None = None

    def stop(self, problem: BillingError) -> None:
        self.problem, self.stopped_at = problem, self.moment

    def gathered(self, *moments: datetime | None) -> datetime | None:
        """From when on what happened at one of these moments is gathered; None where it is not."""
        return self.gathered_from if self.gathered_at is not None and self.gathered_at in moments else None


def known_of(customer_ids: Collection[uuid.UUID]) -> Known:
    """What there is now. One query: totals as text, because JSON knows no decimals."""
    now, mine = clock.now(), {"customer": OuterRef("pk")}
    drafts = Invoice.objects.filter(status__in=UNISSUED_STATUSES, **mine).order_by()
    columns = JSONObject(id=Cast("pk", CharField()), total=Cast("total", TextField()), status="status")
    rows = drafts.annotate(row=columns).values("row")
    ledger = BalanceEntry.objects.filter(**mine).order_by().values("currency")
    sums = ledger.annotate(row=JSONObject(currency="currency", sum=Cast(Sum("amount"), TextField()))).values("row")
    found = among(Customer.objects.order_by(), "id", customer_ids).values_list(
        "pk",
        _ids(Invoice.objects.filter(created_at__gte=now, **mine)),
        _ids(CreditNote.objects.filter(created_at__gte=now, **mine)),
        _ids(BalanceEntry.objects.filter(at__gte=now, **mine)),
        ArraySubquery(rows),
        ArraySubquery(sums),
    )
    invoices: set[uuid.UUID] = set()
    notes: set[uuid.UUID] = set()
    entries: set[uuid.UUID] = set()
    waiting: dict[uuid.UUID, tuple[Decimal, str]] = {}
    balance: dict[tuple[uuid.UUID, str], Decimal] = {}
    for customer_id, made, given, moved, drafted, sums_of_one in found:
        invoices.update(made)
        notes.update(given)
        entries.update(moved)
        waiting |= {uuid.UUID(row["id"]): (Decimal(row["total"]), row["status"]) for row in drafted}
        balance |= {(customer_id, row["currency"]): Decimal(row["sum"]) for row in sums_of_one}
    return Known(
        now, frozenset(customer_ids), frozenset(invoices), frozenset(notes), frozenset(entries), waiting, balance
    )


def read_outlooks(known: Known, reached: Mapping[uuid.UUID, Reached]) -> dict[uuid.UUID, Outlook]:
    """What has come about since for each of the customers `known`. Five queries at most, for however many."""
    moved = _movements(known)
    documents: dict[uuid.UUID, list[OutlookDocument]] = defaultdict(list)
    for document in [*_invoices(known, reached, moved), *_notes(known, reached, moved)]:
        documents[document.customer_id].append(document)
    outlooks = {}
    for customer_id, ahead in reached.items():
        # Of one moment: in the order in which a close makes them, invoices first.
        documents[customer_id].sort(key=lambda document: (document.at, not document.is_invoice))
        outlooks[customer_id] = Outlook(
            ahead.moment,
            tuple(documents[customer_id]),
            tuple(moved.of_customer[customer_id]),
            ahead.gathered_from,
            ahead.problem,
            ahead.stopped_at,
        )
    return outlooks


def _ids(rows: QuerySet[Any]) -> ArraySubquery:
    return ArraySubquery(rows.order_by().values("pk"))


def _invoices(known: Known, reached: Mapping[uuid.UUID, Reached], moved: "_Moved") -> list[OutlookDocument]:
    """Those that were made, and drafts that were there already and are issued, or come to something else."""
    made = Q(created_at__gte=known.now) & ~Q(pk__in=known.invoices)
    found = among(Invoice.objects.order_by("id"), "customer_id", known.customers)
    found = found.filter(made | any_of("id", known.drafts)).exclude(status__in=NO_DOCUMENTS)
    shown = [invoice for invoice in found if _follows(invoice, known)]
    lines: dict[uuid.UUID, list[OutlookLine]] = defaultdict(list)
    rows = among(InvoiceLine.objects.counted(), "invoice_id", [invoice.pk for invoice in shown])
    for line in rows.select_related("item").order_by("position", "id"):
        lines[line.invoice_id].append(_line(line))
    return [
        _invoice(invoice, lines[invoice.pk], reached[invoice.customer_id], moved.by(invoice.pk)) for invoice in shown
    ]


def _follows(invoice: Invoice, known: Known) -> bool:
    """Whether something comes about with this invoice: not with a draft that only waits on."""
    if invoice.issued_at is not None or invoice.pk not in known.drafts:
        return True
    total, status = known.drafts[invoice.pk]
    return invoice.total != total or (invoice.status != status and invoice.status in TO_RETRY)


def _line(line: InvoiceLine) -> OutlookLine:
    return OutlookLine(
        id=line.pk,
        name=line.name,
        kind=line.kind,
        subscription_id=line.subscription_id,
        running_number=line.item.running_number if line.item is not None else None,
        period_start=line.period_start,
        period_end=line.period_end,
        invoice_at=line.invoice_at,
        quantity=line.quantity if line.quantity is not None else ONE,
        amount=line.amount + line.charges_total - line.discounts_total,
        totals={name: getattr(line, name) for name in TOTALS},
        made_at=line.created_at,
    )


def _invoice(
    invoice: Invoice, lines: Iterable[OutlookLine], reached: Reached, movements: tuple[BalanceMovement, ...]
) -> OutlookDocument:
    waits = invoice.issued_at is None and not invoice.workflow_snapshot["values"]["auto_advance"]
    drafted = invoice.created_at if waits else invoice.draft_until or invoice.created_at
    return OutlookDocument(
        type=INVOICE,
        customer_id=invoice.customer_id,
        at=invoice.issued_at or drafted,
        currency=invoice.currency,
        totals={name: getattr(invoice, name) for name in TOTALS},
        lines=tuple(lines),
        movements=movements,
        gathered_from=reached.gathered(invoice.created_at, invoice.issued_at),
        due=invoice.total - invoice.applied_from_balance,
        applied_from_balance=round_money(invoice.applied_from_balance, invoice.currency),
        is_draft=invoice.issued_at is None,
        needs_approval=waits,
        problem=invoice.status_note if invoice.status in TO_RETRY else None,
    )


def _notes(known: Known, reached: Mapping[uuid.UUID, Reached], moved: "_Moved") -> list[OutlookDocument]:
    made = among(CreditNote.objects.filter(created_at__gte=known.now), "customer_id", known.customers)
    listed = list(made.exclude(pk__in=known.notes).select_related("invoice").order_by("id"))
    if not listed:
        return []
    lines: dict[uuid.UUID, list[OutlookLine]] = defaultdict(list)
    made_at = {note.pk: note.created_at for note in listed}
    rows = CreditNoteLine.objects.filter(credit_note__in=made_at).select_related("invoice_line__item")
    for line in rows.order_by("position", "id"):
        lines[line.credit_note_id].append(_given_back(line, made_at[line.credit_note_id]))
    return [
        OutlookDocument(
            type=CREDIT_NOTE,
            customer_id=note.customer_id,
            at=note.issued_at,
            currency=note.currency,
            totals={"amount": note.amount, "taxes_total": note.taxes_total, "total": note.total},
            lines=tuple(lines[note.pk]),
            movements=moved.by(note.pk),
            gathered_from=reached[note.customer_id].gathered(note.created_at),
            over=_number(note.invoice, known),
            reduced_due=note.reduced_due,
            moved_to_balance=note.moved_to_balance,
        )
        for note in listed
    ]


def _given_back(line: CreditNoteLine, made_at: datetime) -> OutlookLine:
    charged = line.invoice_line
    return OutlookLine(
        id=charged.pk,
        name=line.name,
        kind=LineKind.CREDIT.value,
        subscription_id=charged.subscription_id,
        running_number=charged.item.running_number if charged.item is not None else None,
        period_start=line.period_start,
        period_end=line.period_end,
        invoice_at=line.period_start,
        quantity=ONE,
        amount=line.amount,
        totals=_note_line_totals(line),
        made_at=made_at,
    )


def _note_line_totals(line: CreditNoteLine) -> Totals:
    """The columns of an invoice line's totals; what tax comes on top of the amount is exclusive."""
    exclusive = line.total - line.amount
    nothing = line.amount - line.amount
    return dict.fromkeys(TOTALS, nothing) | {
        "amount": line.amount,
        "taxes_inclusive_total": line.taxes_total - exclusive,
        "taxes_exclusive_total": exclusive,
        "taxes_total": line.taxes_total,
        "total": line.total,
    }


def _number(invoice: Invoice, known: Known) -> str | None:
    """The invoice's number, unless it gets one only in this look ahead: that is none of its series."""
    was_there = invoice.pk in known.invoices or invoice.created_at < known.now
    return invoice.number if was_there and invoice.pk not in known.drafts else None


class _Moved:
    """The movements of balances, by customer and by the document that brings them about."""

    def __init__(self) -> None:
        self.of_customer: dict[uuid.UUID, list[BalanceMovement]] = defaultdict(list)
        self.of_document: dict[uuid.UUID, list[BalanceMovement]] = defaultdict(list)

    def by(self, document_id: uuid.UUID) -> tuple[BalanceMovement, ...]:
        return tuple(self.of_document[document_id])


def _movements(known: Known) -> _Moved:
    """Those of documents that were made or issued, too: what happens now has a time that was read before `known` was,
    or an earlier one, where what was due by then is done now."""
    of_new_note = Q(credit_note__created_at__gte=known.now) & ~Q(credit_note__in=known.notes)
    of_new_invoice = Q(invoice__created_at__gte=known.now) & ~Q(invoice__in=known.invoices)
    of_draft = any_of("invoice_id", known.drafts)
    mine = among(BalanceEntry.objects.exclude(pk__in=known.entries), "customer_id", known.customers)
    new = mine.filter(Q(at__gte=known.now) | of_new_note | of_new_invoice | Q(of_draft))
    balance = defaultdict(lambda: ZERO, known.balance)
    moved = _Moved()
    for row in new.order_by("at", "id"):
        owner = (row.customer_id, row.currency)
        balance[owner] += row.amount
        movement = BalanceMovement(row.at, row.kind, row.amount, row.currency, balance[owner])
        moved.of_customer[row.customer_id].append(movement)
        moved.of_document[row.credit_note_id or row.invoice_id or row.pk].append(movement)
    return moved
