"""Imports a bank statement: reads it, matches its rows to invoices by number and amount, keeps them for review."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.services.record import record
from core.errors import FieldProblem, InvalidInput
from customers.choices import AppType
from customers.models import BillingApp
from invoicing.bank_statements.match import Match, Matcher
from invoicing.bank_statements.movements import KnownMovements
from invoicing.bank_statements.read_csv import StatementLine, read_statement
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.errors import AlreadyRecorded, AppNotUsable
from invoicing.models import BankStatement, BankStatementRow


@dataclass(frozen=True, slots=True)
class _Found:
    match: Match
    decision: RowDecision
    told_booked: bool


@transaction.atomic
def import_statement(*, app: BillingApp, file_name: str, content: bytes, imported_by: str = "") -> BankStatement:
    """Keep the rows of a CSV file for review. Only a row whose number and amount both match is to be booked unless
    staff say otherwise. InvalidInput for a file that can't be read, AlreadyRecorded for one that was imported before,
    AppNotUsable for an app that takes no bank transfers. None changes anything.

    A row that another file of the account has too is never booked by itself. Where it is booked there, and all of it
    agrees, the bank's id too, it is a duplicate; else staff decide (see the decision page on collection)."""
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
    for position, (line, found) in enumerate(zip(lines, _found(app, lines), strict=True), start=1):
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
                match=found.match.status,
                note=found.match.note,
                invoice=found.match.invoice,
                decision=found.decision,
                told_booked=found.told_booked,
            )
        )
    BankStatementRow.objects.bulk_create(rows)
    record(
        verb="import_statement", target=statement, did=f"imported {counted(len(rows), 'row')} of {statement} for {app}"
    )
    return statement


def _refuse_days_to_come(lines: Sequence[StatementLine]) -> None:
    """Banks book in their own time zone: by UTC, that may be tomorrow."""
    latest = max(line.booked_on for line in lines)
    if latest > clock.now().date() + timedelta(days=1):
        wrong = f"The file has a movement of {latest}, which is still to come."
        raise InvalidInput(
            f"{wrong} Nothing was imported.", code="bad_statement", problems=[FieldProblem("file", "bad_file", wrong)]
        )


def _found(app: BillingApp, lines: Sequence[StatementLine]) -> list[_Found]:
    """What was found for each line. Only a first telling of a movement that pays exactly what is due is booked without
    a look at it; a second one for the same invoice, or of what another file or row has too, is for staff."""
    matcher, known = Matcher(app, lines), KnownMovements(app, lines)
    taken: set[object] = set()
    found = []
    for position, line in enumerate(lines, start=1):
        match, decision = matcher.match(line), RowDecision.OPEN
        doubt = known.doubt(line, position) if line.amount > 0 else None
        if match.status is MatchStatus.OUTGOING:
            decision = RowDecision.SKIP
        elif doubt is not None and doubt.is_booked:
            match, decision = Match(MatchStatus.DUPLICATE, match.invoice, doubt.words), RowDecision.SKIP
        elif doubt is not None:
            match = Match(MatchStatus.AMBIGUOUS, match.invoice, doubt.words)
        elif match.status is MatchStatus.EXACT and match.invoice is not None:
            if match.invoice.pk not in taken:
                decision = RowDecision.BOOK
                taken.add(match.invoice.pk)
            else:
                match = Match(MatchStatus.AMBIGUOUS, match.invoice, "Another row of this file pays it already.")
        found.append(_Found(match, decision, told_booked=doubt is not None and doubt.told_booked))
    return found
