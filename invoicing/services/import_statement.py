"""Imports a bank statement: reads it, matches its rows to invoices by number and amount, keeps them for review."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from customers.choices import AppType
from customers.models import BillingApp
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.errors import AlreadyRecorded, AppNotUsable
from invoicing.models import BankStatement, BankStatementRow, Payment
from invoicing.statement_csv import StatementLine, read_statement
from invoicing.statement_matching import Match, Matcher

_NEVER_BOOKED = (MatchStatus.OUTGOING, MatchStatus.DUPLICATE)


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


def _first_decision(match: Match) -> RowDecision:
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


def _matches(app: BillingApp, lines: Sequence[StatementLine]) -> list[Match]:
    matcher = Matcher(app, lines)
    ids = [line.transaction_id for line in lines if line.transaction_id]
    booked: set[str | None] = {*_recorded(app, ids)}
    elsewhere = _in_other_files(app, lines)
    taken: set[object] = set()
    matches = []
    for line in lines:
        match = matcher.match(line)
        if line.amount > 0 and line.transaction_id and line.transaction_id in booked:
            match = Match(MatchStatus.DUPLICATE, note=f"The transaction {line.transaction_id} is there already.")
        if match.status is MatchStatus.EXACT and match.invoice is not None and match.invoice.pk in taken:
            match = Match(MatchStatus.AMBIGUOUS, match.invoice, "Another row of this file pays it already.")
        twin = next((file for id, file in elsewhere.get(_movement(line), []) if not (id and line.transaction_id)), "")
        if twin and match.status not in _NEVER_BOOKED:
            match = Match(MatchStatus.AMBIGUOUS, match.invoice, f"The same movement is in {twin}.")
        if match.status is MatchStatus.EXACT and match.invoice is not None:
            taken.add(match.invoice.pk)
        if line.transaction_id:
            booked.add(line.transaction_id)
        matches.append(match)
    return matches
