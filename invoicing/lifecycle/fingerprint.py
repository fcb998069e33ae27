"""Owns the fingerprint of an issued invoice: a hash over all that may never change (billing rules 13, point 3)."""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.jsontext import canonical_json
from core.money import trimmed
from core.times import time_text
from invoicing.money_columns import TOTALS

INVOICE_FIELDS = (
    "id",
    "customer_id",
    "currency",
    "number",
    "period_start",
    "period_end",
    "issued_at",
    "due_at",
    "supplier_id",
    "app_id",
    "profile_id",
    "collection_method",
    "supplier_snapshot",
    "customer_snapshot",
    "workflow_snapshot",
    *TOTALS,
)
# What counts only where it is said: invoices that were issued before it could be keep their fingerprint.
WHERE_SAID = ("replaces_id",)
LINE_FIELDS = (
    "id",
    "position",
    "kind",
    "status",
    "parent_id",
    "amends_id",
    "name",
    "item_id",
    "revision_id",
    "period_start",
    "period_end",
    "price",
    "discounts",
    "tax_config",
    "components",
    "tax_rate",
    "tax_name",
    "tax_behavior",
    "quantity",
    "metered_quantity",
    "pre_period_quantity",
    *TOTALS,
    "explain",
)
DETAIL_FIELDS = (
    "line_id",
    "position",
    "category",
    "name",
    "period_start",
    "period_end",
    "quantity",
    "unit_amount",
    "amount",
    "discounts_total",
    "total",
)

# How each kind of value reads. Values of JSON columns come as text that is canonical already, or as lists and objects.
_TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "",
    str: str,
    dict: canonical_json,
    list: canonical_json,
    Decimal: trimmed,
    datetime: time_text,
    uuid.UUID: lambda value: value.hex,
}


def fingerprint(
    invoice: Mapping[str, Any], lines: Iterable[Mapping[str, Any]], details: Iterable[Mapping[str, Any]]
) -> str:
    """The SHA-256 of an invoice with its lines and detailed lines, as hexadecimal text.

    The mappings hold column values; JSON columns either hold text made by `canonical_json`, or values. Lines count in
    the order of their position, detailed lines in that of their line and position.
    """
    return fingerprint_with(invoice, contents(lines, details))


def contents(lines: Iterable[Mapping[str, Any]], details: Iterable[Mapping[str, Any]]) -> bytes:
    """What a fingerprint is taken of, but for the invoice itself: it needs no number, and takes most of the time."""
    return _text(LINE_FIELDS, lines) + _text(DETAIL_FIELDS, details)


def fingerprint_with(invoice: Mapping[str, Any], rest: bytes) -> str:
    """The fingerprint of an invoice whose `contents` are there already."""
    said = tuple(name for name in WHERE_SAID if invoice.get(name) is not None)
    return hashlib.sha256(_text((*INVOICE_FIELDS, *said) if said else INVOICE_FIELDS, (invoice,)) + rest).hexdigest()


def _text(fields: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(
        "\x1f".join([_TEXTS.get(type(value), str)(value) for value in map(row.__getitem__, fields)]) + "\x1e"
        for row in rows
    ).encode()
