"""Reviews an imported bank statement: decides on its rows, books them, or discards the whole."""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime, time

from django.db import transaction

from core import clock
from core.admin.words import counted
from core.audit.reasons import current_reason
from core.audit.services.record import record
from core.errors import BillingError, FieldProblem, InvalidInput, PreconditionFailed
from customers.models import BillingApp
from invoicing.bank_statements.movements import bank_id, booked_elsewhere
from invoicing.choices import MatchStatus, RowDecision, StatementStatus
from invoicing.models import BankStatement, BankStatementRow, Invoice
from invoicing.payments.receipts import LONGEST_REFERENCE
from invoicing.payments.record_payment import record_payment


@transaction.atomic
def decide_row(
    *, row: BankStatementRow, decision: RowDecision, invoice: Invoice | None = None, reason: str = ""
) -> BankStatementRow:
    """Say what is to happen with a row; `invoice` (None: the matched one) is what it is to be booked on.

    A row that was found to be booked already is booked for a `reason` only. InvalidInput without one, to book without
    an invoice, or on one of another currency; PreconditionFailed once it is booked. None changes anything.
    """
    _under_review(row.statement_id)
    decision = RowDecision(decision)
    rows = BankStatementRow.objects.select_for_update(of=("self",)).select_related("statement", "invoice")
    locked = rows.get(pk=row.pk)
    if locked.payment_id is not None:
        raise PreconditionFailed(f"The {locked} is booked already. Nothing was changed.", code="row_booked")
    chosen = invoice or locked.invoice
    if decision == RowDecision.BOOK and (chosen is None or chosen.issued_at is None or locked.amount <= 0):
        raise InvalidInput(f"The {locked} needs an issued invoice to be booked on, and money that came in.")
    if chosen is not None and decision == RowDecision.BOOK and chosen.currency != locked.currency:
        raise InvalidInput(f"{chosen} is in {chosen.currency}, the {locked} in {locked.currency}.")
    if decision == RowDecision.BOOK and locked.match == MatchStatus.DUPLICATE and not (reason or current_reason()):
        raise InvalidInput(
            f"The {locked} seems to be booked already: say why it is another payment. Nothing was changed.",
            problems=[FieldProblem("reason", "reason_needed", "Say why it is another payment.")],
        )
    before = [locked.decision, str(locked.invoice or "")]
    locked.decision, locked.invoice = decision, chosen
    locked.save()
    record(
        verb="decide_row",
        target=locked.statement,
        did={
            RowDecision.BOOK: f"decided to book {locked} on {chosen}",
            RowDecision.SKIP: f"left out {locked}",
            RowDecision.OPEN: f"put off the decision on {locked}",
        }[decision],
        changes={"decision": [before[0], decision.value], "invoice": [before[1], str(chosen or "")]},
        customer_id=chosen.customer_id if chosen and decision == RowDecision.BOOK else None,
        reason=reason,
    )
    return locked


def confirm_statement(*, statement: BankStatement, only: Collection[uuid.UUID] | None = None) -> BankStatement:
    """Book every row that is to be booked, each by itself: one that fails keeps its cause in `note` and stays open, and
    so does one that turns out to be booked from another file since it was decided on. With `only`, the rows with these
    ids of them.

    Money for what is paid already goes to the customer's balance. Once no row is left to decide or book, the statement
    is closed. Doing it again books nothing twice. PreconditionFailed for a statement that isn't under review, and
    for one of which no row is to be booked while others wait for a decision.
    """
    _under_review(statement.pk, lock=False)
    rows = BankStatementRow.objects.filter(statement=statement, decision=RowDecision.BOOK, payment=None)
    if only is not None:
        rows = rows.filter(pk__in=only)
    row_ids = list(rows.order_by("position").values_list("pk", flat=True))
    undecided = statement.rows.filter(decision=RowDecision.OPEN).count()
    if not row_ids and undecided:
        raise PreconditionFailed(
            f"No row of {statement} is to be booked; {undecided} wait for a decision. Nothing was changed.",
            code="nothing_to_book",
        )
    for row_id in row_ids:
        _book(row_id, statement)
    with transaction.atomic():
        locked = _under_review(statement.pk)
        left = locked.rows.filter(decision=RowDecision.OPEN) | locked.rows.filter(
            decision=RowDecision.BOOK, payment=None
        )
        if not left.exists():
            locked.status, locked.closed_at = StatementStatus.CONFIRMED, clock.now()
            locked.save()
        booked = locked.rows.filter(payment__isnull=False).count()
        record(verb="confirm_statement", target=locked, did=f"booked {counted(booked, 'row')} of {locked}")
    statement.refresh_from_db()
    return statement


@transaction.atomic
def discard_statement(*, statement: BankStatement, reason: str) -> BankStatement:
    """Put an imported file away, so that it can be imported again. PreconditionFailed once a row is booked."""
    locked = _under_review(statement.pk)
    if locked.rows.filter(payment__isnull=False).exists():
        raise PreconditionFailed(f"Rows of {locked} are booked. Nothing was changed.", code="row_booked")
    locked.status, locked.closed_at = StatementStatus.DISCARDED, clock.now()
    locked.save()
    record(verb="discard_statement", target=locked, did=f"discarded {locked}", reason=reason)
    return locked


def _book(row_id: uuid.UUID, statement: BankStatement) -> None:
    try:
        with transaction.atomic():
            # One row of the account at a time: another file may have the same transaction, for another invoice.
            BillingApp.objects.select_for_update(no_key=True).get(pk=statement.app_id)
            _under_review(statement.pk)
            row = (
                BankStatementRow.objects.select_for_update(of=("self",))
                .select_related("invoice", "statement")
                .get(pk=row_id)
            )
            if row.payment_id is not None or row.decision != RowDecision.BOOK or row.invoice is None:
                return
            if not row.told_booked and (twin := booked_elsewhere(row)):
                _ask_again(row, twin)
                return
            # Files are read with no longer one, but older rows may have it.
            if len(row.reference) > LONGEST_REFERENCE:
                raise InvalidInput(
                    f"Its reference has more than {LONGEST_REFERENCE} characters, and would be cut. Nothing was "
                    "recorded: record the payment by hand, with what tells it apart."
                )
            # The id is the account's own: to another app it says nothing.
            its_own = row.invoice.app_id == statement.app_id
            midnight = datetime.combine(row.booked_on, time(), UTC)
            row.payment = record_payment(
                invoice=row.invoice,
                amount=row.amount,
                received_at=min(midnight, clock.now()),
                reference=row.reference,
                transaction_id=(bank_id(row.transaction_id) or None) if its_own else None,
                settled_too=True,
                same_id_too=True,
            )
            row.save(update_fields=["payment"])
    except BillingError as error:
        BankStatementRow.objects.filter(pk=row_id).update(note=error.message)


def _ask_again(row: BankStatementRow, twin: str) -> None:
    """Leave the decision to staff: it was made before this was known."""
    row.told_booked, row.decision = True, RowDecision.OPEN
    row.match, row.note = MatchStatus.DUPLICATE, f"{twin} Nothing was recorded: if this is another payment, say why."
    row.save(update_fields=["told_booked", "decision", "match", "note"])


def _under_review(statement_id: uuid.UUID, *, lock: bool = True) -> BankStatement:
    statements = BankStatement.objects.select_for_update() if lock else BankStatement.objects.all()
    statement = statements.get(pk=statement_id)
    if statement.status != StatementStatus.REVIEW:
        raise PreconditionFailed(
            f"{statement} is not under review: {statement.get_status_display()}. Nothing was changed.",
            code="statement_closed",
        )
    return statement
