"""Tells movements on a bank account apart: what is one and the same, told of twice, and what only shares an id.

Banks give one transaction id to all parts of a collective transfer, and words such as NONREF in place of one. So two
rows are one movement only where id, day, amount, payer and reference agree.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from customers.models import BillingApp
from invoicing.bank_statements.read_csv import StatementLine
from invoicing.choices import RowDecision, StatementStatus
from invoicing.models import BankStatementRow, Payment

_NO_ID = re.compile(
    r"[\W_0]*|NON[\W_]*REF(ERENCE)?|NOT[\W_]*(PROVIDED|AVAILABLE|SPECIFIED)|NO[\W_]*(REF(ERENCE)?|ID)|N[\W_]*A|NONE|NULL"
    r"|NIL|UNKNOWN",
    re.IGNORECASE,
)


def bank_id(text: str) -> str:
    """The bank's id of a transaction; empty for words that stand in place of one (NONREF, NOTPROVIDED, 0)."""
    return "" if _NO_ID.fullmatch(text) else text


def movement_of(row: StatementLine | BankStatementRow) -> tuple[object, ...]:
    """What two tellings of one movement agree in, beside the id."""
    return row.booked_on, row.amount, row.currency, row.reference, row.payer


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a row may have been booked already. `is_booked`: it is, all of it agrees, the bank's id too. `told_booked`:
    the words say that something is booked."""

    words: str
    is_booked: bool = False
    told_booked: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    movement: tuple[object, ...]
    where: str
    file: str
    booked: bool


class KnownMovements:
    """What other files of the account tell of, and what this file has told so far. Three queries."""

    def __init__(self, app: BillingApp, lines: Sequence[StatementLine]) -> None:
        ids = {bank_id(line.transaction_id) for line in lines} - {""}
        self._by_movement: dict[tuple[object, ...], list[_Known]] = defaultdict(list)
        self._by_id: dict[str, list[_Known]] = defaultdict(list)
        rows = BankStatementRow.objects.filter(
            Q(booked_on__in={line.booked_on for line in lines}) | Q(transaction_id__in=ids),
            statement__app=app,
            amount__gt=0,
        ).select_related("statement")
        for row in rows.exclude(statement__status=StatementStatus.DISCARDED).exclude(decision=RowDecision.SKIP):
            booked = row.payment_id is not None
            self._add(_Known(bank_id(row.transaction_id), movement_of(row), str(row), str(row.statement), booked))
        others = Payment.objects.filter(app=app, external_id__in=ids, statement_row=None).select_related("invoice")
        for payment in others:
            self._add(_Known(str(payment.external_id), (), f"the payment of {payment}", "", booked=True))
        self._first: dict[tuple[str, tuple[object, ...]], int] = {}
        self._first_of_id: dict[str, int] = {}
        self._times: dict[tuple[str, tuple[object, ...]], int] = defaultdict(int)

    def doubt(self, line: StatementLine, position: int) -> Doubt | None:
        """Why the next line of the file may not be booked by itself; None where it is seen for the first time.

        What other files have n times is told of by the first n rows here; one more of the same is another movement, or
        the same one shown twice: nobody but staff can say.
        """
        key = bank_id(line.transaction_id), movement_of(line)
        found = self._elsewhere(*key, told=self._times[key]) or self._in_this_file(*key)
        if found is not None and not found.told_booked and (booked := self._booked(*key)):
            found = replace(found, words=f"{found.words} It is booked: {booked}.", told_booked=True)
        self._times[key] += 1
        self._first.setdefault(key, position)
        if key[0]:
            self._first_of_id.setdefault(key[0], position)
        return found

    def _add(self, known: _Known) -> None:
        self._by_movement[known.movement].append(known)
        if known.id:
            self._by_id[known.id].append(known)

    def _elsewhere(self, id: str, movement: tuple[object, ...], *, told: int) -> Doubt | None:
        # What waits in another file with the same id is no doubt: whichever is booked first keeps the other from it.
        booked = [known for known in self._by_movement[movement] if id and known.id == id and known.booked]
        if told < len(booked):
            return Doubt(f"It is booked: {booked[told].where}.", is_booked=True, told_booked=True)
        alike = [known for known in self._by_movement[movement] if not (id and known.id)]
        if told < len(alike):
            words = f"The same movement is in {alike[told].file}."
            return Doubt(words, told_booked=any(known.booked for known in alike))
        others = [known for known in self._by_id[id] if known.movement != movement] if id else []
        if others:
            shown = next((known for known in others if known.booked), others[0])
            words = f"The bank's transaction {id} is also {shown.where}, which differs from this row."
            return Doubt(words, told_booked=shown.booked)
        return None

    def _booked(self, id: str, movement: tuple[object, ...]) -> str:
        """Where what may be this movement is booked; empty for nowhere."""
        may_be = [*self._by_movement[movement], *(self._by_id[id] if id else ())]
        return next((known.where for known in may_be if known.booked and (known.id == id or not (id and known.id))), "")

    def _in_this_file(self, id: str, movement: tuple[object, ...]) -> Doubt | None:
        # Rows of one file never keep each other from being booked: `told_booked` is about other files.
        if (first := self._first.get((id, movement))) is not None:
            return Doubt(f"Row {first} of this file says the same: two payments, or one that is shown twice.")
        if id and (first := self._first_of_id.get(id)) is not None:
            return Doubt(f"Row {first} of this file has the bank's transaction {id}, too.")
        return None


def booked_elsewhere(row: BankStatementRow) -> str:
    """What is booked already and may be this row: the same movement in another file, or whatever has the bank's id.
    Empty for nothing. Two queries at most."""
    id, app = bank_id(row.transaction_id), row.statement.app_id
    same_id = Q(transaction_id=id) if id else Q(pk=None)
    booked = BankStatementRow.objects.filter(
        Q(booked_on=row.booked_on, amount=row.amount, currency=row.currency) | same_id,
        statement__app=app,
        payment__isnull=False,
    )
    for other in booked.exclude(statement=row.statement_id).select_related("statement").order_by("pk"):
        its_id = bank_id(other.transaction_id)
        if id and its_id == id:
            return f"The bank's transaction {id} is booked already: {other}."
        if movement_of(other) == movement_of(row) and not (id and its_id):
            return f"The same movement is booked already: {other}."
    payment = Payment.objects.filter(app=app, external_id=id, statement_row=None).first() if id else None
    return f"The bank's transaction {id} is recorded already. See the payment of {payment}." if payment else ""
