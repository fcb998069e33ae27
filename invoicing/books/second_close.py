"""Owns invariant 2: a second close writes nothing."""

import uuid
from collections.abc import Iterator, Sequence

from core.ids import to_text
from invoicing.books.examination import CUSTOMERS_AT_ONCE, Examination, Finding, piece_by_piece
from invoicing.books.histories import History, histories, name_item, subscribers
from invoicing.closing.assemble import rate_line
from invoicing.closing.close import as_cause
from invoicing.closing.plan import PlannedLine, plan_customer

CHANGED = "A fact was changed past the services. Set reconcile_from back and next_billing_at to now; then close."


def second_close_is_empty(exam: Examination) -> Iterator[Finding]:
    """For everyone who is neither parked nor due, what ought to stand is exactly what stands, from the first day on."""
    yield from piece_by_piece(exam, subscribers(), CUSTOMERS_AT_ONCE, _of_customers)


def _of_customers(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    for history in histories(exam, ids):
        if history.at_rest and history.loaded is not None:
            yield from _would_write(exam, history)
            exam.count(1)


def _would_write(exam: Examination, history: History) -> Iterator[Finding]:
    loaded = history.loaded
    assert loaded is not None
    plan = plan_customer(loaded.subscriptions, loaded.pending, loaded.billed, exam.as_of, loaded.collects)
    for line in plan.lines:
        if exam.settled_by < line.collect_at <= exam.as_of:
            continue
        problem = _problem(exam, history, line)
        if problem:
            yield Finding(name_item(line.obligation, history.name), problem, CHANGED)
    for unused_time in plan.unused_times:
        if not unused_time.is_collected(exam.as_of):
            continue
        begin = unused_time.billed.start
        yield Finding(
            f"Customer {history.name}",
            f"a window of theirs from {begin:%Y-%m-%d %H:%M} UTC reaches beyond its item's active time: "
            f"a close would end it on {unused_time.at:%Y-%m-%d %H:%M} UTC and give the rest back.",
            CHANGED,
        )
    for item_id, at in plan.splits:
        yield Finding(
            f"Customer {history.name}",
            f"usage of their item {to_text(item_id)} was billed up to {at:%Y-%m-%d %H:%M} UTC, within its period: a "
            "close would cut the period there.",
            CHANGED,
        )
    for pending in plan.obsolete:
        yield Finding(
            f"Gathering invoice of {history.name}",
            f"its line from {pending.start:%Y-%m-%d} to {pending.end:%Y-%m-%d} waits for nothing: a close would take "
            "it off.",
            CHANGED,
        )


def _problem(exam: Examination, history: History, line: PlannedLine) -> str | None:
    span = f"{line.start:%Y-%m-%d %H:%M} to {line.end:%Y-%m-%d %H:%M} UTC"
    if line.on_draft is not None:
        return f"its line on a draft, {span}, does not say what the subscription does: a close would change it."
    if line.amends is not None and line.collect_at <= exam.as_of:
        return _amendment(exam, history, line, span)
    if line.waiting is None:
        # A due period without line or window is a gap, which invariant 1 reports.
        return None if line.collect_at <= exam.as_of else f"no line waits for {span}: a close would add it."
    if line.changes_waiting_line:
        return f"its waiting line does not say what the subscription does for {span}: a close would change it."
    if line.collect_at <= exam.as_of:
        return f"its waiting line for {span} was due on {line.collect_at:%Y-%m-%d %H:%M} UTC: a close would bill it."
    return None


def _amendment(exam: Examination, history: History, line: PlannedLine, span: str) -> str | None:
    try:
        net = rate_line(line, None).rated.net
    except Exception as error:  # noqa: BLE001 - whatever stands in the way is the finding
        return f"{span} is billed differently from what the subscription says: {as_cause(error, history.customer_id)}"
    currency = line.obligation.subscription.currency
    if net < 0:
        exam.inform(
            f"{name_item(line.obligation, history.name)}: {-net} {currency} too much was billed for {span}; "
            "a credit is open."
        )
        return None
    return f"{span} was billed {net} {currency} too little: a close would bill it."
