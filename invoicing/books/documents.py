"""Reads invoices with their lines, batch by batch, for the checks of what documents say."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from invoicing.books.examination import (
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.lifecycle.issue import stored_lines
from invoicing.models import Invoice

Row = dict[str, Any]


@dataclass(slots=True)
class Document:
    """A stored invoice: its columns, and those of its lines and detailed lines, in order."""

    name: str
    invoice: Row
    lines: list[Row]
    details: list[Row]


def check_documents(
    exam: Examination, matching: Q, check: Callable[[Document], Iterator[Finding]]
) -> Iterator[Finding]:
    """What `check` finds in the invoices that match; they are read and counted in batches."""

    def examine(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
        for document in _documents(ids):
            yield from check(document)
        exam.count(len(ids))

    yield from piece_by_piece(exam, Invoice.objects.filter(matching), INVOICES_AT_ONCE, examine)


def by_line(details: list[Row]) -> dict[uuid.UUID, list[Row]]:
    """Detailed lines by the id of their line."""
    found: dict[uuid.UUID, list[Row]] = {}
    for detail in details:
        found.setdefault(detail["line_id"], []).append(detail)
    return found


def _documents(ids: Sequence[uuid.UUID]) -> list[Document]:
    lines, details = stored_lines(ids)
    rows = Invoice.objects.filter(pk__in=ids).order_by("pk")
    columns = [field.attname for field in Invoice._meta.concrete_fields]
    return [
        Document(
            name=_name(row),
            invoice=row,
            lines=list(lines.get(row["id"], ())),
            details=list(details.get(row["id"], ())),
        )
        for row in rows.values(*columns, "customer__name", "customer__key")
    ]


def _name(row: Row) -> str:
    customer = name_customer(row["customer__name"], row["customer__key"], row["customer_id"])
    return name_invoice(row["number"], row["id"], customer)
