"""Stores what a close has worked out: a fixed number of statements for a whole batch, in the caller's transaction."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from core.bulk import copy_rows, delete_rows, update_rows
from core.ids import new_id
from invoicing.balance.apply_balances import Balances, applied_row
from invoicing.choices import SeriesKind, WindowKind
from invoicing.closing.charge_at_issue import charge_at_issue
from invoicing.closing.documents import CustomerClose, InvoiceDocument, Issued, RatedDocumentLine
from invoicing.closing.due_times import set_due_times
from invoicing.closing.late_lines import LATE_COLUMNS
from invoicing.closing.manual_lines import BY_HAND, manual_details, moved_row
from invoicing.closing.plan import PlannedGroup, PlannedLine
from invoicing.closing.rows import (
    RATED_COLUMNS,
    TAX_COLUMNS,
    TERMS_COLUMNS,
    detail_rows,
    gathering_row,
    group_row,
    invoice_row,
    line_row,
    look_at,
    rated_columns,
    span_text,
    window_row,
)
from invoicing.corrections.book_credit_notes import book_credit_notes
from invoicing.corrections.credit_rows import Row, credit_detail_row, credit_row
from invoicing.corrections.documents import CreditLine, CreditNoteDocument
from invoicing.corrections.retax_drafts import drop_lines
from invoicing.corrections.unused_time import UnusedTime
from invoicing.lifecycle.fingerprint import contents, fingerprint_with
from invoicing.lifecycle.issue import freeze
from invoicing.lifecycle.issue_dates import IssueDates, refuse_other_rates
from invoicing.lifecycle.numbering import take_blocks
from invoicing.lifecycle.selectors import issuers_of
from invoicing.lifecycle.states import check_beginnings, check_moves
from invoicing.models import (
    BalanceEntry,
    BilledWindow,
    Invoice,
    InvoiceDetailedLine,
    InvoiceLine,
    LateUsageLook,
    Payment,
)
from invoicing.money_columns import TOTALS
from invoicing.windows.billed_and_waiting import Billed
from subscriptions.lifecycle.record_untouched import record_untouched
from subscriptions.lifecycle.record_usage_splits import record_usage_splits
from subscriptions.models import Subscription
from subscriptions.schedule import CouponFacts

_MOVED = ("invoice_id", "window_id", "position", "updated_at", *TERMS_COLUMNS, *TAX_COLUMNS, *RATED_COLUMNS)
_WAITING = ("updated_at", *TERMS_COLUMNS)
# Of the rows of groups: where they stand, and that they are none, or are, from now on.
_GROUPS = ("invoice_id", "position", "status", "parent_id", *_WAITING, *TOTALS)
_REGROUPED = ("status", "parent_id")
_CHARGED_BY_HAND = (*BY_HAND, *TAX_COLUMNS, *RATED_COLUMNS)


class Writer:
    """Gathers the rows of a batch, then writes them with one statement a table and kind."""

    def __init__(
        self, *, run_id: uuid.UUID | None, as_of: datetime, now: datetime, issue_dates: IssueDates, charge: bool
    ) -> None:
        self.issue_dates = issue_dates
        self.run_id, self.as_of, self.now, self.charge = run_id, as_of, now, charge
        self.texts: dict[Any, str] = {}
        self.gathering: list[Row] = []
        self.invoices: list[tuple[InvoiceDocument, Row, list[Row], list[Row]]] = []
        self.new_lines: list[Row] = []
        self.moved_lines: list[Row] = []
        self.moved_manual: list[Row] = []
        self.late_lines: list[Row] = []
        self.waiting_lines: list[Row] = []
        self.group_rows: list[Row] = []
        self.regrouped: list[Row] = []
        self.obsolete_groups: list[uuid.UUID] = []
        self.details: list[Row] = []
        self.windows: list[Row] = []
        self.obsolete: list[uuid.UUID] = []
        self.redrafted: list[tuple[uuid.UUID, RatedDocumentLine]] = []
        # Periods that were billed too much by now, or may have been: cases to decide (billing rules 7).
        self.to_compare: list[LateUsageLook] = []
        self.balance_entries: list[Row] = []
        self.payments: list[Row] = []
        self.unused_times: list[UnusedTime] = []
        self.grown: list[Billed] = []
        self.splits: list[tuple[uuid.UUID, datetime]] = []
        self.coupons: list[CouponFacts] = []
        self.credit_notes: list[CreditNoteDocument] = []
        self.draft_credits: list[tuple[uuid.UUID, CreditLine]] = []
        # Drafts whose lines this batch changed: to be added up once everything is written.
        self.drafts: set[uuid.UUID] = set()
        self.schedule: list[tuple[uuid.UUID, datetime | None, datetime]] = []
        self.closed: list[uuid.UUID] = []
        self.due: dict[tuple[uuid.UUID, str], datetime] = {}
        # By whom these customers are billed now, and whose series what follows may need, too.
        self.suppliers: set[uuid.UUID] = set()

    def add(self, close: CustomerClose) -> None:
        """Take up what one customer's close has worked out."""
        self.suppliers.add(close.loaded.terms.profile.supplier_id)
        for document in close.invoices:
            self._add_invoice(document)
        for planned in close.unreported:
            self.windows.append(window_row(planned, None, WindowKind.UNREPORTED, self.now))
            if planned.waiting is not None:
                self.obsolete.append(planned.waiting.id)
        for planned in close.dropped:
            if planned.waiting is not None:
                self.obsolete.append(planned.waiting.id)
        for planned in close.gathering:
            self._add_waiting(close, planned)
        self.obsolete.extend(line.id for line in close.plan.obsolete)
        self.obsolete_groups.extend(line.id for line in close.plan.obsolete_groups)
        for redrafted in close.redrafted:
            settled = redrafted.planned.on_draft
            if settled is not None:
                redrafted.id = settled.lines[0].id
                self.redrafted.append((settled.lines[0].invoice_id, redrafted))
        self.unused_times.extend(close.unused_times)
        self.grown.extend(close.plan.grown)
        self.splits.extend(close.plan.splits)
        self.coupons.extend(close.coupons)
        self.credit_notes.extend(close.credit_notes)
        self.draft_credits.extend(close.draft_credits)
        self.closed.append(close.loaded.id)
        self.due |= {(close.loaded.id, currency): due_at for currency, due_at in close.due_times(self.as_of).items()}
        schedule = close.schedule(self.as_of)
        for subscription in close.loaded.subscriptions:
            next_billing_at, reconcile_from = schedule[subscription.facts.id]
            if (next_billing_at, reconcile_from) != (subscription.next_billing_at, subscription.reconcile_from):
                self.schedule.append((subscription.facts.id, next_billing_at, reconcile_from))

    def _add_invoice(self, document: InvoiceDocument) -> None:
        line_rows: list[Row] = []
        details: list[Row] = []
        for position, line in enumerate(document.lines, start=1):
            planned = line.planned
            row = line_row(planned, line.id, document.id, self.now) | rated_columns(line)
            row["position"] = position
            if planned.amends is None:
                window = window_row(planned, document.id, WindowKind.CHARGE, self.now)
                row["window_id"] = window["id"]
                self.windows.append(window)
            (self.new_lines if planned.waiting is None else self.moved_lines).append(row)
            if planned.waiting is not None and planned.waiting.is_group:
                self.regrouped.append(row)
            line_rows.append(row)
            details.extend(detail_rows(line))
            if document.snapshot_at is not None and line.is_to_compare:
                self.to_compare.append(look_at(document.loaded.id, line))
        for position, charge in enumerate(document.manual, start=len(document.lines) + 1):
            row = moved_row(charge, document.id, position, self.now)
            self.moved_manual.append(row)
            line_rows.append(row)
            details.extend(manual_details(charge))
        for position, late in enumerate(document.late, start=len(document.lines) + len(document.manual) + 1):
            row = late.moved_row(document.id, position, self.now)
            self.late_lines.append(row)
            line_rows.append(row)
            details.append(late.detail_row())
        for position, credit in enumerate(document.credits, start=len(document.charges) + 1):
            row = credit_row(credit, document.id, self.now) | {"position": position}
            self.new_lines.append(row)
            line_rows.append(row)
            details.append(credit_detail_row(credit))
        for line in document.lines:
            group = line.planned.group
            if group is not None and group.last is line.planned:
                row = group_row(group, document.id, self.now) | {"position": len(line_rows) + 1}
                (self.new_lines if group.waiting is None else self.group_rows).append(row)
                line_rows.append(row)
        self.details.extend(details)
        self.invoices.append((document, invoice_row(document, self.run_id, self.now, self.texts), line_rows, details))

    def _add_waiting(self, close: CustomerClose, planned: PlannedLine) -> None:
        if planned.group is not None and planned.group.last is planned:
            self._add_waiting_group(close, planned.group)
        waiting = planned.waiting
        if waiting is not None:
            if planned.changes_waiting_line:
                row = line_row(planned, waiting.id, waiting.invoice_id, self.now)
                self.waiting_lines.append(row)
                if waiting.is_group:
                    self.regrouped.append(row)
            return
        self.new_lines.append(line_row(planned, new_id(), self._gathering_of(close, planned), self.now))

    def _add_waiting_group(self, close: CustomerClose, group: PlannedGroup) -> None:
        """The row of a group whose last part waits."""
        assert group.last is not None
        if group.waiting is None:
            self.new_lines.append(group_row(group, self._gathering_of(close, group.last), self.now))
        elif group.changes_waiting_line:
            self.group_rows.append(group_row(group, group.waiting.invoice_id, self.now))

    def _gathering_of(self, close: CustomerClose, planned: PlannedLine) -> uuid.UUID:
        """The gathering invoice on which the line is to wait, made where there is none."""
        currency = planned.obligation.subscription.currency
        invoice_id = close.loaded.gathering.get(currency)
        if invoice_id is None:
            invoice_id = close.loaded.gathering[currency] = new_id()
            self.gathering.append(gathering_row(invoice_id, close.loaded.id, currency, self.now))
        return invoice_id

    def write(self) -> None:
        """Write everything. Lines go in before their invoices (the foreign keys are checked at commit), because a line
        may not join an invoice that is already issued. Numbers are taken as late as can be: whoever holds a series'
        counter makes its other issuers wait until the end of the transaction."""
        self._move_ends()
        record_usage_splits(self.splits)
        self._credit_drafts()
        delete_rows(InvoiceLine, self.obsolete)
        if self.obsolete_groups:
            # Their parts refer to them for good.
            InvoiceLine.objects.filter(pk__in=self.obsolete_groups).update(deleted_at=self.now, updated_at=self.now)
        copy_rows(InvoiceLine, self.new_lines)
        self._update(InvoiceLine, _MOVED, self.moved_lines)
        self._update(InvoiceLine, _CHARGED_BY_HAND, self.moved_manual)
        self._update(InvoiceLine, _WAITING, self.waiting_lines)
        self._update(InvoiceLine, _GROUPS, self.group_rows)
        self._update(InvoiceLine, _REGROUPED, self.regrouped)
        self._update(InvoiceLine, LATE_COLUMNS, self.late_lines)
        copy_rows(InvoiceDetailedLine, self.details)
        copy_rows(BilledWindow, self.windows)
        LateUsageLook.objects.bulk_create(self.to_compare)
        update_rows(Subscription, ("next_billing_at", "reconcile_from"), self.schedule)
        set_due_times(self.closed, self.due)
        record_untouched(self.coupons)
        self._issue()
        invoices = [*self.gathering, *(row for _, row, _, _ in self.invoices)]
        check_beginnings({row["status"] for row in invoices})
        copy_rows(Invoice, invoices)
        copy_rows(BalanceEntry, self.balance_entries)
        copy_rows(Payment, self.payments)
        book_credit_notes(self.credit_notes, now=self.now, billed_by=self.suppliers)

    def _move_ends(self) -> None:
        """Let windows that ended early end there, before their time is billed to whatever came instead, and let those
        whose end was taken back last on."""
        vanished = [unused_time for unused_time in self.unused_times if unused_time.vanishes]
        delete_rows(BilledWindow, [unused_time.billed.id for unused_time in vanished])
        update_rows(
            BilledWindow,
            ("span",),
            [
                (unused_time.billed.id, span_text(unused_time.billed.start, unused_time.at))
                for unused_time in self.unused_times
                if not unused_time.vanishes
            ]
            + [(window.id, span_text(window.start, window.end)) for window in self.grown],
        )
        self.drafts |= drop_lines(
            [line.id for each in vanished if each.billed.on_draft for line in each.billed.lines], now=self.now
        )

    def _credit_drafts(self) -> None:
        """Put the credits for charges that are on drafts behind the lines of those drafts."""
        if not self.draft_credits:
            return
        drafts = {invoice_id for invoice_id, _ in self.draft_credits}
        lines = InvoiceLine.objects.filter(invoice_id__in=drafts).order_by().values_list("invoice_id")
        positions = dict(lines.annotate(last=Max("position")))
        for invoice_id, credit in self.draft_credits:
            positions[invoice_id] += 1
            self.new_lines.append(credit_row(credit, invoice_id, self.now) | {"position": positions[invoice_id]})
            self.details.append(credit_detail_row(credit))
        self.drafts |= drafts

    def _issue(self) -> None:
        """Number and freeze the documents that are issued at once."""
        issued = [entry for entry in self.invoices if entry[0].is_issued]
        # Whatever needs no number comes first: once the series is locked, nobody else can issue before this ends.
        rest = [contents(lines, details) for _, _, lines, details in issued]
        balances = Balances.of({document.loaded.id for document, _, _, _ in issued})
        blocks = take_blocks(
            Counter(document.terms.profile.supplier_id for document, _, _, _ in issued),
            kind=SeriesKind.INVOICE,
            issue_at=self.now,
            also=self._later_issuers(),
        )
        refuse_other_rates(blocks, now=self.now, dates=self.issue_dates)
        moves: set[tuple[str, str]] = set()
        for (document, row, _, _), written in zip(issued, rest, strict=True):
            terms = document.terms
            block = blocks[terms.profile.supplier_id]
            sequence, number = block.take()
            row |= {
                "series_id": block.series_id,
                "sequence": sequence,
                "number": number,
                "issued_at": block.issued_at,
            }
            applied = balances.take(document.loaded.id, document.currency, row["due"])
            if applied:
                row["applied_from_balance"], row["due"] = applied, row["due"] - applied
                self.balance_entries.append(applied_row(row, applied, self.now))
            moves.add(freeze(row, due_after=terms.settings.values["due_after"]))
            row["content_hash"] = fingerprint_with(row, written)
            document.issued = Issued(number, block.issued_at, row["due_at"], row["total"])
        check_moves(moves)
        if self.charge:
            charged = [(row, document.terms.profile.app) for document, row, _, _ in issued]
            self.payments = charge_at_issue(charged)

    def _later_issuers(self) -> set[uuid.UUID]:
        """The suppliers, beside those who issue now, of whom this transaction may need numbers afterwards: for credit
        notes, for what drafts that it changes give back, and, where people wait for the answer, for a second bill.
        Whatever locks series later on is given them, too: all are locked the first time."""
        drafts = self.drafts | {invoice_id for invoice_id, _ in self.redrafted}
        if self.run_id is not None and not self.credit_notes and not drafts:
            return set()
        customers = set(self.closed) if self.run_id is None else {note.customer_id for note in self.credit_notes}
        if drafts:
            found = Invoice.objects.filter(pk__in=drafts).order_by().values_list("customer_id", flat=True)
            customers.update(found)
        self.suppliers |= issuers_of(customers)
        return self.suppliers

    def _update(self, model: Any, columns: Sequence[str], rows: list[Row]) -> None:
        update_rows(model, columns, [[row["id"], *(row[column] for column in columns)] for row in rows])
