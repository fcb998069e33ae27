"""Owns what every check of the books shares: the examination under way, its findings, and how things are named."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from core.ids import to_text

CUSTOMERS_AT_ONCE = 100
INVOICES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: where, what is wrong with what was expected and found, and what to do about it."""

    subject: str
    problem: str
    remedy: str


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


def batches(rows: QuerySet[Any], size: int) -> Iterator[list[uuid.UUID]]:
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
