"""Owns invariant 9: what was billed in parts adds up to the whole, in quantities and in money."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any

from django.db.models import QuerySet

from core.money import WIDE, ZERO, quantum, trimmed
from invoicing.books.examination import (
    CUSTOMERS_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    piece_by_piece,
)
from invoicing.choices import LATE_USAGE_SETTLED, InvoiceStatus, LateUsageState, LineKind
from invoicing.models import InvoiceLine, LateUsageCase
from invoicing.rating import RatingInput, rate
from invoicing.rating.by_hand import is_set_by_hand
from invoicing.rating.explanation import ChargeExplanation
from invoicing.rating.explanation_json import read_explanation
from subscriptions.models import SubscriptionItem

REMEDY = "Find out which part was changed, and credit or bill the difference."

_GONE = [InvoiceStatus.GATHERING, InvoiceStatus.VOIDED, InvoiceStatus.DELETED]


class _Group:
    """The standing parts of one window, in order of time, with how each was rated, and what was decided about their
    late usage."""

    def __init__(self) -> None:
        self.lines: list[InvoiceLine] = []
        self.rated: list[ChargeExplanation] = []
        self.decided: list[LateUsageCase] = []

    def add(self, line: InvoiceLine) -> None:
        assert line.explain is not None
        explanation = read_explanation(line.explain)
        if isinstance(explanation, ChargeExplanation):
            self.lines.append(line)
            self.rated.append(explanation)

    def decided_before(self, line: InvoiceLine) -> Decimal:
        """What had been decided about parts before `line` when its quantity was read: it counts as billed."""
        read_at = line.invoice.quantity_snapshoted_at
        quantities = (
            case.quantity
            for case in self.decided
            if case.period_start < line.period_start and read_at is not None and (case.decided_at or read_at) <= read_at
        )
        return reduce(WIDE.add, quantities, ZERO)


def parts_add_up_to_wholes(exam: Examination) -> Iterator[Finding]:
    """The parts of each window tile its time up to the last that is billed; each has counted what those before it were
    billed for; and together they cost what the whole would, but for the rounding of each part."""
    items = SubscriptionItem.objects.exclude(progressive_splits=[])
    yield from piece_by_piece(exam, items, CUSTOMERS_AT_ONCE, _of_items)


def _of_items(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    groups: dict[tuple[uuid.UUID, datetime], _Group] = defaultdict(_Group)
    for line in _parts(ids):
        assert line.item_id is not None and line.parent is not None
        groups[line.item_id, line.parent.period_start].add(line)
    windows = {line.window_id: group for group in groups.values() for line in group.lines}
    for case in LateUsageCase.objects.filter(window_id__in=windows, state__in=LATE_USAGE_SETTLED).order_by("id"):
        windows[case.window_id].decided.append(case)
    for (_, start), group in groups.items():
        problem = _problem(start, group)
        if problem:
            customer = group.lines[0].invoice.customer
            name = name_customer(customer.name, customer.key, customer.id)
            yield Finding(f"Parts of {group.lines[0].name} of {name} from {start:%Y-%m-%d %H:%M} UTC", problem, REMEDY)
    exam.count(len(ids))


def _parts(item_ids: Sequence[uuid.UUID]) -> QuerySet[InvoiceLine, Any]:
    """What was billed in parts of these items, and read for good."""
    lines = InvoiceLine.objects.counted().filter(
        item_id__in=item_ids,
        parent__isnull=False,
        kind=LineKind.USAGE,
        amends__isnull=True,
        explain__isnull=False,
        invoice__quantity_snapshoted_at__isnull=False,
    )
    return (
        lines.exclude(invoice__status__in=_GONE).select_related("parent", "invoice__customer").order_by("period_start")
    )


def _problem(start: datetime, group: _Group) -> str | None:
    begin, billed = start, ZERO
    first = group.rated[0]
    for line, explanation in zip(group.lines, group.rated, strict=True):
        if line.period_start != begin:
            # One between them is on a draft, was voided or deleted: it is billed again, or waived.
            return None
        before = WIDE.subtract(explanation.quantity.earlier, first.quantity.earlier)
        counts = WIDE.add(billed, group.decided_before(line))
        if before != counts:
            return (
                f"the part from {begin:%Y-%m-%d %H:%M} UTC counted {trimmed(before)} as billed before it, "
                f"but the parts before it were billed for {trimmed(counts)}."
            )
        # What was set by hand on its draft is what it costs; what was used stays what it counted.
        by_hand = line.metered_quantity if is_set_by_hand(line.explain or {}) else None
        counted = explanation.quantity.window if by_hand is None else by_hand
        begin, billed = line.period_end, WIDE.add(billed, counted)
    return None if any(is_set_by_hand(line.explain or {}) for line in group.lines) else _other_money(group, billed)


def _other_money(group: _Group, quantity: Decimal) -> str | None:
    """What is wrong with the money of the parts, of which all up to the last were billed by the same terms."""
    first, last = group.rated[0], group.rated[-1]
    within = [case for case in group.decided if case.period_start < group.lines[-1].period_start]
    if any(case.state == LateUsageState.WAIVED for case in within):
        return None
    quantity = reduce(WIDE.add, (case.quantity for case in within), quantity)
    if any(each.price != first.price or each.discounts != first.discounts for each in group.rated):
        return None
    currency = first.currency
    whole = rate(
        RatingInput(
            price=first.price,
            quantity=quantity,
            currency=currency,
            discounts=first.discounts,
            pre_quantity=first.quantity.earlier,
            is_first_split=first.split.first,
            coupon=first.coupon,
            fraction=last.fraction or (1, 1),
            is_last_split=last.split.last,
            previously_billed_net=first.billed_earlier,
            event_count=sum(each.event_count or 0 for each in group.rated) + sum(case.events for case in within),
        )
    )
    billed = sum((each.net for each in group.rated), ZERO) + sum((case.net for case in within), ZERO)
    roundings = sum(len(each.parts) * 2 + 1 for each in group.rated) + 2 * len(within) + 2 * len(whole.detailed) + 1
    if abs(billed - whole.net) > roundings * quantum(currency) / 2:
        return (
            f"its parts were billed for {trimmed(billed)} {currency} net; the whole would come to {trimmed(whole.net)}."
        )
    return None
