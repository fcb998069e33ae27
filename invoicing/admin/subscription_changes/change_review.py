"""Shows what a change of a subscription would bill and give back, before it is confirmed."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from core import clock
from core.admin.verbs import Review
from core.admin.words import amount_text, local_time, moment_text
from core.money import trimmed
from invoicing.previews.outlook import Outlook
from invoicing.subscription_changes.change_result import ChangeLine, ChangeResult, CreditedLine
from invoicing.subscription_changes.update_item import ItemUpdateResult
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
    context = _context(result, subscription, sums=_sums(result), notes=said) | {
        "bills_nothing": not result.lines and not result.credit_amount and not result.credit_note_total
    }
    return Review(TEMPLATE, context, why_not, seen=_seen(result))


def update_review(result: ItemUpdateResult, subscription: Subscription) -> Review:
    """What a change of an item's quantity comes to. Amounts include tax."""
    context = _context(result, subscription, sums=[("Due now, tax included", result.due_now)], notes=[])
    return Review(TEMPLATE, context | {"bills_nothing": not result.due_now}, seen=str(result.due_now))


def _context(
    result: ChangeResult | ItemUpdateResult,
    subscription: Subscription,
    *,
    sums: list[tuple[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """What the page shows. Where the next moment is one at which something comes back only, no sum of it is shown as
    billed: the documents say what it is."""
    outlook, now = result.outlook, clock.now()
    assert outlook is not None
    later = [document for document in outlook.documents if document.at > now]
    charges = result.next_amount or not any(document.at == result.next_billing_at for document in later)
    return {
        "change": result,
        "zone": subscription.time_zone,
        "sums": sums,
        "notes": notes + _outlook_notes(outlook, subscription),
        "outlook": outlook,
        "next_billing_at": result.next_billing_at if charges else None,
        "nothing_after": result.next_billing_at is None and not later,
    }


def _outlook_notes(outlook: Outlook, subscription: Subscription) -> list[str]:
    said = []
    if outlook.cause:
        said.append(f"No more can be foretold. {outlook.cause}")
    elif outlook.documents:
        said.append(
            f"Shown is what follows until {time_words(outlook.until, subscription)}, by what is known now: usage to "
            "come is not in it, and automatic charges are taken to succeed."
        )
    if outlook.gathered_from:
        said.append(
            f"From {time_words(outlook.gathered_from, subscription)} on there are more bills than can be listed here: "
            "up to the change they are shown as one."
        )
    return said


def time_words(moment: datetime, subscription: Subscription) -> str:
    """A time on the subscription's wall, with its zone."""
    zone = subscription.time_zone
    return f"{moment_text(moment, zone)} {local_time(moment, zone):%Z}"


def is_past(timing: Any, *, seen: datetime) -> bool:
    """Whether somebody dates a change in the past, not only by the time that they took to confirm."""
    return isinstance(timing, datetime) and timing < clock.now() and timing != seen


def _seen(result: ChangeResult) -> str:
    """All figures that are billed now, and what comes back later, as one short word. What is billed next may still grow
    by usage."""
    shown: list[ChangeLine | CreditedLine] = [*result.lines, *result.credited]
    lines = [(line.name, line.period_start, line.period_end, line.amount, line.total) for line in shown]
    figures = repr((lines, result.due_now, result.due_before, result.credit_amount, result.credit_note_total))
    return sha256(figures.encode()).hexdigest()[:16]


def _sums(result: ChangeResult) -> list[tuple[str, Any]]:
    rows = [("Comes back, net", -result.credit_amount), ("Charged now, net", result.charge_amount)]
    if result.credit_note_total:
        rows.append(("Of what comes back, by credit note, tax included", -result.credit_note_total))
    return [row for row in rows if row[1]] + [("Due now, tax and balance included", result.due_now)]


def _worth(amount: Any, result: ChangeResult) -> str:
    return f"{amount_text(amount, result.currency)} {result.currency}"
