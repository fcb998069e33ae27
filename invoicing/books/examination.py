"""Owns what every check of the books shares: the examination under way, its findings, and how documents, lines and
customers are named."""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from core.batches import together_or_alone
from core.ids import to_text
from customers.models import Customer
from invoicing.models import Invoice

logger = logging.getLogger(__name__)

CUSTOMERS_AT_ONCE = 100
INVOICES_AT_ONCE = 200

UNREADABLE = "Nothing is proved about it until this is mended: find out what was stored there, and how it came in."


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: where, what is wrong with what was expected and found, and what to do about it.

    `to_decide`: nothing is broken, but nothing is settled either until somebody decides. `usage_since`: from when on
    usage is needed for that (UTC).
    """

    subject: str
    problem: str
    remedy: str
    to_decide: bool = False
    usage_since: datetime | None = None


@dataclass(slots=True)
class Examination:
    """One invariant being checked as of `as_of` (UTC). What fell due less than `grace` ago may still be under way.

    `inform` takes sentences about what is worth knowing and breaks nothing; `progress` the number checked so far.
    """

    as_of: datetime
    grace: timedelta
    inform: Callable[[str], None]
    progress: Callable[[int], None]
    checked: int = 0

    @property
    def settled_by(self) -> datetime:
        """Whatever was due by then ought to be done."""
        return self.as_of - self.grace

    def count(self, number: int) -> None:
        self.checked += number
        self.progress(self.checked)


Check = Callable[[Examination, Sequence[uuid.UUID]], Iterable[Finding]]


def piece_by_piece(exam: Examination, rows: models.QuerySet[Any], size: int, check: Check) -> Iterator[Finding]:
    """What `check` finds in `rows`, which it is given by their primary keys, `size` at a time.

    Where it raises over a batch, each row is checked alone; over which it raises then, that row is a finding, and the
    others are checked all the same. What a failed attempt counted or informed of is forgotten.
    """

    def act(ids: Sequence[uuid.UUID]) -> list[Finding]:
        notes: list[str] = []
        attempt = replace(exam, inform=notes.append, progress=lambda checked: None, checked=0)
        # A savepoint: what the database refuses must not end the transaction for the rows that come after.
        with transaction.atomic():
            findings = list(check(attempt, ids))
        for note in notes:
            exam.inform(note)
        exam.count(attempt.checked)
        return findings

    def fail(pk: uuid.UUID, error: Exception) -> list[Finding]:
        exam.count(1)
        logger.error("a check of the books failed over %s %s", rows.model._meta.label, pk, exc_info=error)
        return [Finding(_name_row(rows.model, pk), f"it can't be checked ({said(error)}).", UNREADABLE)]

    for ids in batches(rows, size):
        for findings in together_or_alone(ids, act=act, fail=fail):
            yield from findings


def said(error: Exception) -> str:
    """An error that nobody foresaw, as findings quote it."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")


def batches(rows: models.QuerySet[Any], size: int) -> Iterator[list[uuid.UUID]]:
    """The primary keys of `rows`, `size` at a time, in their order: any number of rows takes the same memory."""
    last: uuid.UUID | None = None
    while True:
        page = rows.order_by("pk") if last is None else rows.filter(pk__gt=last).order_by("pk")
        ids = list(page.values_list("pk", flat=True)[:size])
        if not ids:
            return
        yield ids
        last = ids[-1]


def name_customer(name: str, key: str | None, customer_id: uuid.UUID) -> str:
    """A customer as findings name it."""
    return f"{name} ({key or to_text(customer_id)})"


def name_invoice(number: str | None, invoice_id: uuid.UUID, customer: str) -> str:
    """An invoice as findings name it; drafts have no number."""
    return f"Invoice {number or to_text(invoice_id)} of {customer}"


def _name_row(model: type[models.Model], pk: uuid.UUID) -> str:
    """A row as findings name it where all that is known of it is its key."""
    if issubclass(model, Customer):
        name, key = Customer.objects.values_list("name", "key").get(pk=pk)
        return f"Customer {name_customer(name, key, pk)}"
    if issubclass(model, Invoice):
        found = Invoice.objects.values_list("number", "customer__name", "customer__key", "customer_id").get(pk=pk)
        number, name, key, customer_id = found
        return name_invoice(number, pk, name_customer(name, key, customer_id))
    return f"{str(model._meta.verbose_name).capitalize()} {to_text(pk)}"
