"""Owns invariant 3: an issued invoice is unchanged, and can be computed again from what it stores."""

import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal

from django.db.models import Q

from core.money import ZERO, trimmed
from invoicing.books.documents import Document, Row, by_line, check_documents
from invoicing.books.examination import Examination, Finding
from invoicing.choices import LineKind
from invoicing.lifecycle.fingerprint import fingerprint
from invoicing.rating import RatedLine, read_explanation, recompute, replay
from invoicing.rating.explanation import RATED_WITH_IT, ChargeExplanation, LateUsageExplanation
from subscriptions.pricing import parse_price

logger = logging.getLogger(__name__)

RESTORE = "An issued invoice was changed past the database's guards. Restore its rows from a backup."
_LINE_MONEY = {"amount": "amount", "charges_total": "charges_total", "discounts_total": "discounts_total"}
_PART = (("quantity", "quantity"), ("unit_amount", "unit_amount"), ("amount", "amount"), ("total", "total"))


def issued_invoices_are_unchanged(exam: Examination) -> Iterator[Finding]:
    """The fingerprint taken at issue is that of the rows now, and rating each line again gives its money."""
    yield from check_documents(exam, Q(issued_at__isnull=False), _unchanged)


def _unchanged(document: Document) -> Iterator[Finding]:
    found = fingerprint(document.invoice, document.lines, document.details)
    if found != document.invoice["content_hash"]:
        yield Finding(
            document.name,
            f"it is not what was issued: expected the fingerprint {document.invoice['content_hash'][:12]}…, "
            f"found {found[:12]}….",
            RESTORE,
        )
    yield from _recomputed(document)


def _recomputed(document: Document) -> Iterator[Finding]:
    details = by_line(document.details)
    for line in document.lines:
        if line["explain"] is None:
            continue
        problem = _differs(line, details.get(line["id"], []))
        if problem:
            yield Finding(f"{document.name}, line {line['name']}", problem, RESTORE)


def _differs(line: Row, details: Sequence[Row]) -> str | None:
    """What computing the line again shows to be wrong with it."""
    try:
        explanation = read_explanation(line["explain"])
    except Exception as error:  # an explanation that can't be read is the finding
        logger.warning("the explanation of line %s can't be read", line["id"], exc_info=error)
        return f"its explanation can't be read ({type(error).__name__}: {error})."
    if line["kind"] == LineKind.CREDIT:
        net = recompute(explanation)
        if net == line["amount"]:
            return None
        return f"its explanation gives back {trimmed(-net)}, not {trimmed(-line['amount'])}."
    if isinstance(explanation, LateUsageExplanation):
        return _late_usage_differs(line, explanation)
    price = parse_price(line["price"])
    by = explanation.price if isinstance(explanation, ChargeExplanation) else None
    if price is None or by is None or price.to_json() != by.to_json():
        return "its price is not the one that its explanation was rated by."
    try:
        again = replay(explanation)
    except Exception as error:  # an explanation that can't be computed again is the finding
        logger.warning("the explanation of line %s can't be computed again", line["id"], exc_info=error)
        return f"its explanation can't be computed again ({type(error).__name__}: {error})."
    expected = {**{column: getattr(again, name) for column, name in _LINE_MONEY.items()}, "total": _total(line, again)}
    expected["quantity"] = again.quantity
    for column, value in expected.items():
        if line[column] != value:
            return f"computed again its {_words(column)} is {_shown(value)}; it says {_shown(line[column])}."
    if len(details) != len(again.detailed):
        return f"computed again it has {len(again.detailed)} detailed lines; it has {len(details)}."
    for detail, part in zip(details, again.detailed, strict=True):
        for column, name in _PART:
            if detail[column] != getattr(part, name):
                return (
                    f"computed again the {_words(column)} of its detail {part.name} is "
                    f"{_shown(getattr(part, name))}; it says {_shown(detail[column])}."
                )
    return None


def _late_usage_differs(line: Row, explanation: LateUsageExplanation) -> str | None:
    """What computing the windows of its period again shows to be wrong with an adjustment."""
    rated = [part.total for part in explanation.parts if part.kind == RATED_WITH_IT]
    again = [replay(charge).net for charge in explanation.charges]
    if rated != again:
        return f"computed again its period comes to {_sum(again)}; it says {_sum(rated)}."
    net = recompute(explanation)
    if net == line["amount"] == explanation.net:
        return None
    return f"its explanation charges {trimmed(net)}, not {trimmed(line['amount'])}."


def _sum(amounts: Sequence[Decimal]) -> str:
    return trimmed(sum(amounts, ZERO))


def _total(line: Row, again: RatedLine) -> Decimal:
    """What rating alone does not know: prepaid credits come off, taxes come on top."""
    total: Decimal = again.net - line["credits_total"] + line["taxes_exclusive_total"]
    return total


def _words(column: str) -> str:
    return column.replace("_", " ")


def _shown(value: Decimal | None) -> str:
    return "nothing" if value is None else trimmed(value)
