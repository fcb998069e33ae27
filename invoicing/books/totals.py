"""Owns invariant 4: parts add up to totals, to the minor unit."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from django.db.models import Q

from core.money import ZERO, is_in_minor_units, trimmed
from invoicing.books.credits import credit_notes_add_up
from invoicing.books.documents import Document, Row, by_line, check_documents
from invoicing.books.examination import Examination, Finding
from invoicing.choices import InvoiceStatus, LineStatus
from invoicing.money_columns import TOTALS
from invoicing.rating import COMMITMENT

ISSUED = "An issued invoice was changed past the database's guards. Restore its rows from a backup."
DRAFT = "Collect the draft's quantities again, or delete it and close again."


def parts_add_up(exam: Examination) -> Iterator[Finding]:
    """Detailed lines add up to their line, lines to their invoice, and nothing is finer than the currency; so do the
    lines of credit notes, and none gives back more than was charged."""
    yield from credit_notes_add_up(exam)
    yield from check_documents(exam, ~Q(status=InvoiceStatus.DELETED), _of_document)


def _of_document(document: Document) -> Iterator[Finding]:
    remedy = ISSUED if document.invoice["issued_at"] else DRAFT
    details = by_line(document.details)
    for line in document.lines:
        problem = _line_problem(line, details.get(line["id"], []))
        if problem:
            yield Finding(f"{document.name}, line {line['name']}", problem, remedy)
        elif line["currency"] != document.invoice["currency"]:
            problem = f"it is in {line['currency']}, its invoice in {document.invoice['currency']}."
            yield Finding(f"{document.name}, line {line['name']}", problem, remedy)
    counted = [line for line in document.lines if line["status"] == LineStatus.VALID]
    expected = {column: sum((line[column] for line in counted), ZERO) for column in TOTALS}
    problem = _difference(expected, document.invoice, "its lines add up to")
    if problem:
        yield Finding(document.name, problem, remedy)


def _line_problem(line: Row, details: Sequence[Row]) -> str | None:
    regular = [detail for detail in details if detail["category"] != COMMITMENT]
    charges = [detail for detail in details if detail["category"] == COMMITMENT]
    expected = {
        "amount": sum((detail["amount"] for detail in regular), ZERO),
        "charges_total": sum((detail["amount"] for detail in charges), ZERO),
        "discounts_total": sum((detail["discounts_total"] for detail in details), ZERO),
        "taxes_total": line["taxes_inclusive_total"] + line["taxes_exclusive_total"],
    }
    expected["total"] = (
        expected["amount"]
        + expected["charges_total"]
        - expected["discounts_total"]
        - line["credits_total"]
        + line["taxes_exclusive_total"]
    )
    problem = _difference(expected, line, "its details add up to")
    if problem:
        return problem
    for column in TOTALS:
        if not is_in_minor_units(line[column], line["currency"]):
            return f"its {_words(column)} {trimmed(line[column])} is finer than {line['currency']} has digits."
    return None


def _difference(expected: Mapping[str, Decimal], row: Row, source: str) -> str | None:
    for column, value in expected.items():
        if row[column] != value:
            return f"its {_words(column)} is {trimmed(row[column])}, but {source} {trimmed(value)}."
    return None


def _words(column: str) -> str:
    return column.replace("_", " ")
