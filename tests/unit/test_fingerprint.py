"""The fingerprint of an issued invoice: the same whether its parts are written before its number or with it."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from invoicing.lifecycle.fingerprint import (
    DETAIL_FIELDS,
    INVOICE_FIELDS,
    LINE_FIELDS,
    contents,
    fingerprint,
    fingerprint_with,
)

VALUES = (UUID(int=7), "text", None, datetime(2026, 3, 17, tzinfo=UTC), Decimal("29.90"), 3, {"b": 1, "a": []}, "{}")


def row(fields, first):
    return {name: VALUES[(first + place) % len(VALUES)] for place, name in enumerate(fields)}


INVOICE = row(INVOICE_FIELDS, 0)
LINES = [row(LINE_FIELDS, 1), row(LINE_FIELDS, 2)]
DETAILS = [row(DETAIL_FIELDS, number) for number in range(3)]


def test_the_fingerprint_of_known_columns_never_changes():
    # Every issued invoice keeps one: another text of the same columns would call them all forged.
    assert fingerprint(INVOICE, LINES, DETAILS) == "dc65cd5e4e921e2e7b10fd1040dfeb8d1bdc1162938584227105a1b5b4bc0a8b"


def test_what_it_replaces_counts_where_it_is_said():
    first, second = ({**INVOICE, "replaces_id": UUID(int=number)} for number in (8, 9))
    assert fingerprint({**INVOICE, "replaces_id": None}, LINES, DETAILS) == fingerprint(INVOICE, LINES, DETAILS)
    assert len({fingerprint(row, LINES, DETAILS) for row in (INVOICE, first, second)}) == 3


def test_it_is_the_same_in_two_steps():
    assert fingerprint_with(INVOICE, contents(LINES, DETAILS)) == fingerprint(INVOICE, LINES, DETAILS)


def test_each_line_and_each_detailed_line_counts():
    whole = fingerprint(INVOICE, LINES, DETAILS)
    assert len({whole, fingerprint(INVOICE, LINES[:1], DETAILS), fingerprint(INVOICE, LINES, DETAILS[:2])}) == 3
