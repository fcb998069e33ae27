"""Imports a bank statement: reads it, matches its rows to invoices by number and amount, keeps them for review."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from core import clock
from core.admin.words import money_text
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from customers.choices import AppType, CollectionMethod
from customers.models import BillingApp
from invoicing.choices import (
    OPEN_STATUSES,
    InvoiceStatus,
    MatchStatus,
    RowDecision,
    SeriesKind,
    StatementStatus,
)
from invoicing.errors import AlreadyRecorded, AppNotUsable
from invoicing.models import BankStatement, BankStatementRow, Invoice, NumberSeries, Payment
from invoicing.models.series import format_number
from invoicing.statement_csv import StatementLine, read_statement

_NEVER_BOOKED = (MatchStatus.OUTGOING, MatchStatus.DUPLICATE)


@dataclass(frozen=True, slots=True)
class _Match:
    status: MatchStatus
    invoice: Invoice | None = None
    note: str = ""


@transaction.atomic
def import_statement(*, app: BillingApp, file_name: str, content: bytes, imported_by: str = "") -> BankStatement:
    """Keep the rows of a CSV file for review. Only a row whose number and amount both match is to be booked unless
    staff say otherwise. InvalidInput for a file that can't be read, AlreadyRecorded for one that was imported before,
    AppNotUsable for an app that takes no bank transfers. None changes anything.

    A row that another file of the account has too is never booked by itself: with the bank's transaction id it is a
    duplicate, without one staff decide."""
    if app.type != AppType.BANK_TRANSFER:
        raise AppNotUsable(f"{app} takes no bank transfers. Nothing was imported.")
    lines = read_statement(content)
    _refuse_days_to_come(lines)
    digest = hashlib.sha256(content).hexdigest()
    BillingApp.objects.select_for_update(no_key=True).get(pk=app.pk)
    known = BankStatement.objects.filter(app=app, content_hash=digest).exclude(status=StatementStatus.DISCARDED).first()
    if known is not None:
        raise AlreadyRecorded(f"This file was imported as {known}. Nothing was imported.")
    statement = BankStatement.objects.create(
        app=app, file_name=file_name[:255], content_hash=digest, imported_by=imported_by
    )
    rows = []
    for position, (line, match) in enumerate(zip(lines, _matches(app, lines), strict=True), start=1):
        rows.append(
            BankStatementRow(
                statement=statement,
                position=position,
                booked_on=line.booked_on,
                amount=line.amount,
                currency=line.currency,
                reference=line.reference,
                payer=line.payer,
                transaction_id=line.transaction_id,
                match=match.status,
                note=match.note,
                invoice=match.invoice,
                decision=_first_decision(match),
            )
        )
    BankStatementRow.objects.bulk_create(rows)
    record(verb="import_statement", target=statement, did=f"imported {len(rows)} rows of {statement} for {app}")
    return statement


def _refuse_days_to_come(lines: Sequence[StatementLine]) -> None:
    """Banks book in their own time zone: by UTC, that may be tomorrow."""
    latest = max(line.booked_on for line in lines)
    if latest > clock.now().date() + timedelta(days=1):
        wrong = f"The file has a movement of {latest}, which is still to come."
        raise InvalidInput(
            f"{wrong} Nothing was imported.", code="bad_statement", problems=[FieldProblem("file", "bad_file", wrong)]
        )


def _first_decision(match: _Match) -> RowDecision:
    if match.status is MatchStatus.EXACT:
        return RowDecision.BOOK
    return RowDecision.SKIP if match.status in _NEVER_BOOKED else RowDecision.OPEN


def _recorded(app: BillingApp, ids: Sequence[str]) -> Iterable[str | None]:
    """Which of these transactions of the account are booked; the ids of other accounts may be the same."""
    yield from Payment.objects.filter(app=app, external_id__in=ids).values_list("external_id", flat=True)
    rows = BankStatementRow.objects.filter(statement__app=app, payment__isnull=False, transaction_id__in=ids)
    yield from rows.values_list("transaction_id", flat=True)


def _movement(row: StatementLine | BankStatementRow) -> tuple[object, ...]:
    return row.booked_on, row.amount, row.currency, row.reference, row.payer


def _in_other_files(app: BillingApp, lines: Sequence[StatementLine]) -> dict[tuple[object, ...], list[tuple[str, str]]]:
    """Movements of these days in other files of the account, each with its transaction ids and files."""
    days = {line.booked_on for line in lines}
    rows = BankStatementRow.objects.filter(statement__app=app, booked_on__in=days, amount__gt=0)
    rows = rows.select_related("statement")
    found: dict[tuple[object, ...], list[tuple[str, str]]] = defaultdict(list)
    for row in rows.exclude(statement__status=StatementStatus.DISCARDED).exclude(decision=RowDecision.SKIP):
        found[_movement(row)].append((row.transaction_id, str(row.statement)))
    return found


def _matches(app: BillingApp, lines: Sequence[StatementLine]) -> list[_Match]:
    numbers = [_numbers_in(line.reference, prefixes) for prefixes in [_prefixes()] for line in lines]
    wanted = {number for found in numbers for number in found}
    by_number = {str(i.number): i for i in Invoice.objects.filter(number__in=wanted).select_related("app")}
    open_ones = Invoice.objects.filter(
        status__in=OPEN_STATUSES,
        collection_method=CollectionMethod.SEND_INVOICE,
        due__in={line.amount for line in lines},
        app=app,
    )
    by_amount: dict[tuple[object, str], list[Invoice]] = defaultdict(list)
    for invoice in open_ones:
        by_amount[invoice.due, invoice.currency].append(invoice)
    ids = [line.transaction_id for line in lines if line.transaction_id]
    booked: set[str | None] = {*_recorded(app, ids)}
    elsewhere = _in_other_files(app, lines)
    taken: set[object] = set()
    matches = []
    for line, found in zip(lines, numbers, strict=True):
        match = _match(line, [by_number[n] for n in found if n in by_number], by_amount, booked)
        if match.status is MatchStatus.EXACT and match.invoice is not None and match.invoice.pk in taken:
            match = _Match(MatchStatus.AMBIGUOUS, match.invoice, "Another row of this file pays it already.")
        twin = next((file for id, file in elsewhere.get(_movement(line), []) if not (id and line.transaction_id)), "")
        if twin and match.status not in _NEVER_BOOKED:
            match = _Match(MatchStatus.AMBIGUOUS, match.invoice, f"The same movement is in {twin}.")
        if match.status is MatchStatus.EXACT and match.invoice is not None:
            taken.add(match.invoice.pk)
        if line.transaction_id:
            booked.add(line.transaction_id)
        matches.append(match)
    return matches


def _match(
    line: StatementLine,
    numbered: Sequence[Invoice],
    by_amount: Mapping[tuple[object, str], list[Invoice]],
    booked: set[str | None],
) -> _Match:
    if line.amount <= 0:
        return _Match(MatchStatus.OUTGOING)
    if line.transaction_id and line.transaction_id in booked:
        return _Match(MatchStatus.DUPLICATE, note=f"The transaction {line.transaction_id} is there already.")
    if len(numbered) > 1:
        return _Match(MatchStatus.AMBIGUOUS, note=f"It names {', '.join(str(i) for i in numbered)}.")
    if numbered:
        return _against(line, numbered[0])
    fitting = by_amount.get((line.amount, line.currency), [])
    if len(fitting) == 1:
        return _Match(MatchStatus.AMOUNT_ONLY, fitting[0], "No number is named; only the amount fits.")
    if fitting:
        return _Match(MatchStatus.AMBIGUOUS, note=f"{len(fitting)} open invoices have this amount.")
    return _Match(MatchStatus.UNMATCHED)


def _against(line: StatementLine, invoice: Invoice) -> _Match:
    if line.currency != invoice.currency:
        return _Match(MatchStatus.UNMATCHED, note=f"{invoice} is in {invoice.currency}.")
    if invoice.status not in (*OPEN_STATUSES, InvoiceStatus.UNCOLLECTIBLE) or invoice.due <= 0:
        return _Match(MatchStatus.NOT_OPEN, invoice, f"{invoice} is {invoice.get_status_display().lower()}.")
    if line.amount == invoice.due:
        return _Match(MatchStatus.EXACT, invoice)
    status = MatchStatus.PARTIAL if line.amount < invoice.due else MatchStatus.OVER
    return _Match(status, invoice, f"{money_text(invoice.due, invoice.currency)} is due.")


def _prefixes() -> list[str]:
    return list(NumberSeries.objects.filter(kind=SeriesKind.INVOICE).values_list("prefix", flat=True))


def _numbers_in(reference: str, prefixes: Iterable[str]) -> list[str]:
    """Invoice numbers in what the payer wrote, as printed: `inv 42`, `INV000042` and `INV-000042` are one."""
    found = []
    for prefix in prefixes:
        pattern = rf"(?<![A-Z0-9]){re.escape(prefix.upper())}[\s\-_/]*([0-9]{{1,18}})(?![0-9])"
        found += [format_number(prefix, int(digits)) for digits in re.findall(pattern, reference.upper(), re.ASCII)]
    return list(dict.fromkeys(found))
