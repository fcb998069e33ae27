"""Shows what a change of a subscription would bill and give back, before it is confirmed."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from core import clock
from core.admin.verbs import Review
from core.admin.words import amount_text, local_time, moment_text
from core.money import trimmed
from invoicing.services.change_result import ChangeLine, ChangeResult, CreditedLine
from subscriptions.item_update import ItemUpdateResult
from subscriptions.models import Subscription

TEMPLATE = "backoffice/change_review.html"


def change_review(result: ChangeResult, *, notes: Sequence[str] = (), why_not: str = "") -> Review:
    """Lines, sums and notes of `result`, the preview of a change."""
    subscription = result.subscription
    said = list(notes)
    if result.successor is not None:
        when = time_words(result.successor.active_from, subscription)
        said.append(f"{subscription.name} ends on {when}; {result.successor.name} begins then.")
    if result.successor is not None and result.ended_addons:
        names = ", ".join(f"{trimmed(addon.quantity)} x {addon.name}" for addon in result.ended_addons)
        said.append(f"{result.successor.name} does not sell these add-ons, which end then, too: {names}.")
    if result.due_before:
        said.append(
            f"{_worth(result.due_before, result)} was due without the change: it is billed first, on an invoice of its "
            "own."
        )
    if result.credit_note_total:
        said.append(
            f"{_worth(result.credit_note_total, result)} comes back by credit note: off what is still due on the "
            "invoice that charged it, the rest to the customer's balance."
        )
    context = {
        "change": result,
        "zone": subscription.time_zone,
        "lines": result.lines,
        "credited": result.credited,
        "sums": _sums(result),
        "notes": said,
        "bills_nothing": not result.lines and not result.credit_note_total,
        "next_lines": result.next_lines,
    }
    return Review(TEMPLATE, context, why_not, seen=_seen(result))


def update_review(result: ItemUpdateResult, subscription: Subscription) -> Review:
    """What a change of an item's quantity comes to. Amounts include tax."""
    context = {
        "change": result,
        "zone": subscription.time_zone,
        "lines": (),
        "sums": [("Due now, tax included", result.due_now)],
        "notes": [],
        "bills_nothing": not result.due_now,
    }
    return Review(TEMPLATE, context, seen=str(result.due_now))


def time_words(moment: datetime, subscription: Subscription) -> str:
    """A time on the subscription's wall, with its zone."""
    zone = subscription.time_zone
    return f"{moment_text(moment, zone)} {local_time(moment, zone):%Z}"


def is_past(timing: Any, *, seen: datetime) -> bool:
    """Whether somebody dates a change in the past, not only by the time that they took to confirm."""
    return isinstance(timing, datetime) and timing < clock.now() and timing != seen


def _seen(result: ChangeResult) -> str:
    """All figures that are billed now, as one short word. What is billed next may still grow by usage."""
    shown: list[ChangeLine | CreditedLine] = [*result.lines, *result.credited]
    lines = [(line.name, line.period_start, line.period_end, line.amount, line.total) for line in shown]
    figures = repr((lines, result.due_now, result.due_before, result.credit_note_total))
    return sha256(figures.encode()).hexdigest()[:16]


def _sums(result: ChangeResult) -> list[tuple[str, Any]]:
    rows = [("Comes back, net", -result.credit_amount), ("Charged now, net", result.charge_amount)]
    if result.credit_note_total:
        rows.append(("Of what comes back, by credit note, tax included", -result.credit_note_total))
    return [row for row in rows if row[1]] + [("Due now, tax and balance included", result.due_now)]


def _worth(amount: Any, result: ChangeResult) -> str:
    return f"{amount_text(amount, result.currency)} {result.currency}"
