"""Owns invariant 1: the settled windows of an item tile its active time, without gap or overlap."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Lower, Upper

from core.ids import to_text
from core.money import ZERO, quantum, round_share
from invoicing.books.examination import (
    CUSTOMERS_AT_ONCE,
    INVOICES_AT_ONCE,
    Examination,
    Finding,
    name_customer,
    name_invoice,
    piece_by_piece,
)
from invoicing.books.histories import History, histories, name_item, subscribers
from invoicing.choices import InvoiceStatus, LineKind, WindowKind
from invoicing.corrections.unused_time import find_unused_times, unused_share
from invoicing.models import BilledWindow, CreditNoteLine, InvoiceLine
from invoicing.windows.billed_and_waiting import Billed
from invoicing.windows.components import components_from_json
from subscriptions.schedule import Obligation, obligations

CLOSE_AGAIN = "Set the subscription's reconcile_from back to that time and its next_billing_at to now; then close."
_EARLY_ENDS = 3
ASK = "Find out which change made it, and restore the window from a backup."


def windows_tile(exam: Examination) -> Iterator[Finding]:
    """Every period of every item up to what is due is settled exactly once, waits, or is parked."""
    yield from _overlaps()
    yield from _windows_without_their_line(exam)
    yield from _lines_without_their_window()
    yield from _uncredited_rests(exam)
    yield from piece_by_piece(exam, subscribers(), CUSTOMERS_AT_ONCE, _of_customers)


def _of_customers(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    for history in histories(exam, ids):
        yield from _of_customer(exam, history)
        exam.count(1)


def _of_customer(exam: Examination, history: History) -> Iterator[Finding]:
    loaded = history.loaded
    if loaded is None:
        if not history.parked and history.error is not None:
            yield Finding(
                f"Customer {history.name}",
                f"their subscriptions can't be read: {history.error.message}",
                "Mend the terms. The next run parks the customer until then.",
            )
        return
    waiting = {(line.item_id, line.start) for line in loaded.pending if line.window_id is None}
    left = dict(loaded.billed)
    to_come: set[uuid.UUID] = set()
    overdue: set[uuid.UUID] = set()
    for subscription in loaded.subscriptions:
        reconciled = history.reconciled[subscription.facts.id]
        # Parked and due customers are billed later, from there on; what lies behind, no close looks at again.
        open_from = None if history.at_rest else reconciled
        unused_times = find_unused_times(subscription.facts, loaded.billed)
        # They end early once that time has come; who is parked or due has it done later, too.
        to_come |= {
            unused_time.billed.id
            for unused_time in unused_times
            if loaded.collects(subscription.facts.id, unused_time.due_at) > exam.as_of or not history.at_rest
        }
        # Should have ended early by now, and nobody is about to see to it.
        overdue |= {
            unused_time.billed.id
            for unused_time in unused_times
            if history.at_rest and loaded.collects(subscription.facts.id, unused_time.due_at) <= exam.settled_by
        }
        for period in obligations(subscription.facts, since=subscription.facts.start, as_of=exam.as_of):
            settled = left.pop(period.key, None)
            if settled is not None:
                if settled.id not in to_come:
                    yield from _wrong_end(history, period, settled, is_overdue=settled.id in overdue)
                continue
            due = period.invoice_at <= exam.settled_by
            ends = period.settles_until or period.end
            if due and period.key not in waiting and (open_from is None or ends <= open_from):
                yield Finding(
                    name_item(period, history.name),
                    f"nothing bills {_span(period.start, ends)}, which was due on {_time(period.invoice_at)}: "
                    "expected a settled window or a waiting line, found neither.",
                    CLOSE_AGAIN,
                )
    left = {key: settled for key, settled in left.items() if settled.id not in to_come}
    yield from _stray(exam, history, left, overdue)


def _wrong_end(history: History, period: Obligation, settled: Billed, *, is_overdue: bool) -> Iterator[Finding]:
    expected = period.settles_until
    if settled.end == expected:
        return
    if not history.at_rest and settled.end is not None and (expected is None or settled.end < expected):
        # Its end was taken back; the next close lets it last on.
        return
    ends = {period.revision.end, period.subscription.end}
    # Charged in advance before the end was known: the rest of such a window is no break, it is to be credited. Usage is
    # never charged in advance.
    if (
        period.is_flat
        and not is_overdue
        and expected in ends
        and (settled.end is None or (expected is not None and settled.end > expected))
    ):
        return
    yield Finding(
        name_item(period, history.name),
        f"its window from {_time(period.start)} ends on {_time(settled.end)}; expected {_time(expected)}.",
        ASK,
    )


def _stray(
    exam: Examination,
    history: History,
    left: dict[tuple[uuid.UUID, datetime], Billed],
    overdue: Collection[uuid.UUID],
) -> Iterator[Finding]:
    """Settled windows that are no period of their item, unless the item had ended before them and nothing of them is
    to come back any more: an end in the past leaves usage standing that was billed behind it."""
    assert history.loaded is not None
    items = {item.id: (sub.facts, item) for sub in history.loaded.subscriptions for item in sub.facts.items}
    for (item_id, start), settled in left.items():
        facts, item = items[item_id]
        # By their ends, and not by the last in the order of their beginnings, which may end before another one does.
        ends = [revision.end for revision in item.revisions]
        last = None if None in ends else max(end for end in ends if end is not None)
        has_ended = any(end is not None and end <= start for end in (facts.end, last))
        if has_ended and settled.id not in overdue:
            continue
        # Billed ahead, behind a period that is still to be billed: the rest of one that was moved out.
        if start > exam.as_of and (item_id, start) in {p.key for p in obligations(facts, since=start, as_of=start)}:
            continue
        yield Finding(
            f"Item {item.running_number} ({item.key}) of {history.name}",
            f"its settled window {_span(start, settled.end)} is none of its periods.",
            ASK,
        )


def _overlaps() -> Iterator[Finding]:
    rows = BilledWindow.objects.raw(
        """
        SELECT w.* FROM (
            SELECT id, lower(span) AS start, max(coalesce(upper(span), 'infinity')) OVER (
                PARTITION BY item_id ORDER BY lower(span), id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS taken_until FROM invoicing_billedwindow
        ) AS o JOIN invoicing_billedwindow w ON w.id = o.id WHERE o.start < o.taken_until
        """
    ).prefetch_related("item__subscription__customer")
    for window in rows:
        customer = window.item.subscription.customer
        yield Finding(
            f"Item {window.item.running_number} ({window.item.key}) of "
            f"{name_customer(customer.name, customer.key, customer.id)}",
            f"its settled window {_span(window.span.lower, window.span.upper)} overlaps an earlier one.",
            "Void or credit the second charge, and find out how the database's guard was passed.",
        )


def _windows_without_their_line(exam: Examination) -> Iterator[Finding]:
    """Charges that no line of their invoice bills, from their start on, or whose invoice no longer stands."""
    yield from piece_by_piece(exam, BilledWindow.objects.filter(kind=WindowKind.CHARGE), INVOICES_AT_ONCE, _unbacked)


def _unbacked(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    lines = InvoiceLine.objects.counted().filter(window=OuterRef("pk"), invoice=OuterRef("invoice"))
    lines = lines.exclude(kind=LineKind.CREDIT)
    own = lines.filter(amends__isnull=True)
    wrong = (
        ~Exists(lines)
        | Exists(own.exclude(item=OuterRef("item"), period_start=Lower(OuterRef("span"))))
        | Q(invoice__status__in=[InvoiceStatus.VOIDED, InvoiceStatus.DELETED, InvoiceStatus.GATHERING])
    )
    rows = BilledWindow.objects.filter(wrong, pk__in=ids).order_by("pk")
    for window in rows.select_related("item__subscription__customer", "invoice"):
        customer, invoice = window.item.subscription.customer, window.invoice
        assert invoice is not None
        name = name_customer(customer.name, customer.key, customer.id)
        found = [
            f"line {to_text(line.id)}, {_span(line.period_start, line.period_end)}"
            for line in window.lines.filter(invoice=invoice, deleted_at__isnull=True).exclude(kind=LineKind.CREDIT)
        ]
        yield Finding(
            f"Item {window.item.running_number} ({window.item.key}) of {name}",
            f"its window {_span(window.span.lower, window.span.upper)} is settled by "
            f"{name_invoice(invoice.number, invoice.id, name)} ({invoice.get_status_display().lower()}), "
            f"where {'; '.join(found) or 'no line'} bills it.",
            ASK,
        )


def _uncredited_rests(exam: Examination) -> Iterator[Finding]:
    """Windows that ended before what their lines had charged for, whose rest did not come back."""
    ended_early = InvoiceLine.objects.filter(
        kind=LineKind.FLAT,
        amends__isnull=True,
        window__kind=WindowKind.CHARGE,
        period_end__gt=Upper("window__span"),
        invoice__issued_at__isnull=False,
        subscription__pro_rating_enabled=True,
        # A one-time fee is not for time: no part of it comes back.
        revision__billing_cadence__isnull=False,
    ).exclude(invoice__status=InvoiceStatus.VOIDED)
    yield from piece_by_piece(exam, ended_early, INVOICES_AT_ONCE, _uncredited)


def _uncredited(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    lines = InvoiceLine.objects.filter(pk__in=ids).order_by("pk")
    for line in lines.select_related("invoice__customer", "window"):
        assert line.window is not None
        end = line.window.span.upper
        unused = unused_share(components_from_json(line.components), end, line.period_end)
        net = line.amount + line.charges_total - line.discounts_total
        expected = round_share(net, unused.numerator, unused.denominator, line.currency)
        on_invoices = InvoiceLine.objects.giving_back().filter(amends=line)
        found = -(on_invoices.aggregate(net=Sum("amount"))["net"] or ZERO)
        found += line.credit_note_lines.aggregate(net=Sum("amount"))["net"] or ZERO
        # What comes back is rounded as a charge for the same time is: part by part. A window that ended early
        # more than once had its rest rounded as often.
        added = line.window.lines.filter(amends__isnull=False).exclude(kind=LineKind.CREDIT)
        roundings = _EARLY_ENDS + len(line.components or ()) + added.count()
        if found < expected - roundings * quantum(line.currency):
            customer = line.invoice.customer
            name = name_customer(customer.name, customer.key, customer.id)
            yield Finding(
                name_invoice(line.invoice.number, line.invoice_id, name),
                f"its line {line.name} charged up to {_time(line.period_end)}, but its window ends on "
                f"{_time(end)}: expected {expected} {line.currency} to come back, found {found}.",
                "Credit the difference.",
            )


def _lines_without_their_window() -> Iterator[Finding]:
    """Charges on standing invoices that no window guards and that did not come back: their time could be billed again.

    A window that began when its item was active no more is gone; the whole of its line came back.
    """
    gone = [InvoiceStatus.GATHERING, InvoiceStatus.VOIDED, InvoiceStatus.DELETED]
    lines = InvoiceLine.objects.counted().filter(item__isnull=False, amends__isnull=True)
    lines = lines.exclude(invoice__status__in=gone)
    lines = lines.exclude(Exists(BilledWindow.objects.filter(pk=OuterRef("window_id"))))
    back = InvoiceLine.objects.giving_back().filter(amends=OuterRef("pk"))
    noted = CreditNoteLine.objects.filter(invoice_line=OuterRef("pk"))
    from_the_start = Q(period_start__lte=OuterRef("period_start"))
    lines = lines.exclude(Exists(back.filter(from_the_start)) | Exists(noted.filter(from_the_start)))
    # What charged nothing has nothing to come back.
    lines = lines.exclude(kind=LineKind.FLAT, amount=F("discounts_total") - F("charges_total"))
    for line in lines.order_by("pk").select_related("invoice__customer").iterator(chunk_size=500):
        customer = line.invoice.customer
        name = name_customer(customer.name, customer.key, customer.id)
        yield Finding(
            name_invoice(line.invoice.number, line.invoice_id, name),
            f"its line {line.name} bills {_span(line.period_start, line.period_end)}, but no settled window says so: "
            "that time could be billed again.",
            "Add the window again, before the next close.",
        )


def _span(start: datetime, end: datetime | None) -> str:
    return f"from {_time(start)} to {_time(end)}"


def _time(moment: datetime | None) -> str:
    return "the end of time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
