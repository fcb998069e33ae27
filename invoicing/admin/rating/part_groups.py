"""Owns how a line that was split is shown beside its parts: the whole, in no total, with its parts on all invoices."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Any

from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.display import link
from core.admin.words import counted, quantity_text
from core.money import WIDE, ZERO
from invoicing.choices import InvoiceStatus
from invoicing.models import InvoiceLine

PARTS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class ShownPart:
    """One part of a line that was split: `used` and `total` are None where it still gathers, `is_here` on this page."""

    start: datetime
    end: datetime
    used: Decimal | None
    total: Decimal | None
    where: SafeString | str
    is_here: bool


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A line that was split, with its parts in order of time: the last ones, where there are very many."""

    name: str
    currency: str
    zone: str
    start: datetime
    end: datetime
    parts: list[ShownPart]
    left_out: str


def groups_of(lines: Sequence[Any]) -> dict[uuid.UUID, ShownGroup]:
    """The groups that these lines are parts of, by id. One query, none where no line is a part."""
    parents = {line.parent_id for line in lines if line.parent_id is not None}
    if not parents:
        return {}
    here = {line.pk: line for line in lines}
    found: dict[uuid.UUID, list[InvoiceLine]] = {}
    # A part on a voided invoice counts no more: another one has its time. On that invoice's own page it is shown.
    stands = ~Q(invoice__status__in=(InvoiceStatus.VOIDED, InvoiceStatus.DELETED))
    parts = InvoiceLine.objects.counted().filter(stands | Q(pk__in=here), parent__in=parents)
    for part in parts.select_related("parent", "invoice__customer", "subscription").order_by("period_start", "id"):
        assert part.parent_id is not None
        found.setdefault(part.parent_id, []).append(part)
    return {parent_id: _group(rows, here) for parent_id, rows in found.items()}


def _group(parts: Sequence[InvoiceLine], here: dict[uuid.UUID, Any]) -> ShownGroup:
    whole = parts[0].parent
    assert whole is not None
    left_out = len(parts) - PARTS_AT_ONCE
    return ShownGroup(
        name=whole.name,
        currency=whole.currency,
        zone=parts[0].subscription.time_zone if parts[0].subscription else "UTC",
        start=whole.period_start,
        end=whole.period_end,
        parts=[_part(part, here) for part in parts[-PARTS_AT_ONCE:]],
        left_out=counted(left_out, "earlier part") if left_out > 0 else "",
    )


def _part(part: InvoiceLine, here: dict[uuid.UUID, Any]) -> ShownPart:
    gathers = part.invoice.status == InvoiceStatus.GATHERING
    shown = here.get(part.pk)
    if shown is not None:
        where: SafeString | str = "this invoice"
    else:
        name = "the gathering invoice" if gathers else part.invoice.number or "a draft"
        where = link(part.invoice, name)
    # What gathers is rated when somebody looks: this page has looked at its own lines.
    known = shown if shown is not None else None if gathers else part
    return ShownPart(
        part.period_start,
        part.period_end,
        known.metered_quantity if known is not None else None,
        known.total if known is not None else None,
        where,
        shown is not None,
    )


def usage_so_far(group: ShownGroup, end: datetime) -> SafeString | str:
    """The usage of the whole up to `end`, as the sum of what its parts were billed for."""
    parts = [part for part in group.parts if part.end <= end]
    overlap = any(after.start < before.end for before, after in pairwise(parts))
    if not parts or group.left_out or overlap or any(part.used is None for part in parts):
        return ""
    total = reduce(WIDE.add, (part.used or ZERO for part in parts))
    return format_html("{} = {}", quantity_text(total), format_html_join(" + ", "{} ({})", _summands(parts)))


def _summands(parts: Iterable[ShownPart]) -> Iterable[tuple[str, SafeString | str]]:
    return ((quantity_text(part.used), part.where) for part in parts)
