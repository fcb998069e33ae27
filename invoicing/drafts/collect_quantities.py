"""Moves drafts on: collects their quantities when the time has come, and says where they stand then."""

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from core import clock
from core.bulk import update_rows
from core.errors import BillingError
from customers.selectors import attributions_of
from entitlements.features.selectors import features_by_id
from invoicing.choices import InvoiceStatus, LineKind, WindowKind
from invoicing.closing.assemble import rate_line
from invoicing.closing.close import as_cause
from invoicing.closing.coupon_moves import CouponMoves
from invoicing.closing.documents import RatedDocumentLine
from invoicing.closing.plan import PlannedLine
from invoicing.closing.quantities import Quantity, WindowKey, feature_of, quantities_of
from invoicing.closing.redraft import redraft
from invoicing.closing.rows import look_at
from invoicing.corrections.count_again import count_again
from invoicing.corrections.retax_drafts import drop_lines, retax
from invoicing.lifecycle.draft_steps import TO_COLLECT, status_after_collection
from invoicing.lifecycle.selectors import issuers_of
from invoicing.lifecycle.states import check_moves
from invoicing.models import BilledWindow, Invoice, InvoiceLine, LateUsageLook
from invoicing.rating import RatedLine
from invoicing.windows.billed_and_waiting import Billed, BilledLine
from subscriptions.lifecycle.facts import load_subscriptions
from subscriptions.lifecycle.record_untouched import record_untouched
from subscriptions.models import Subscription
from subscriptions.schedule import obligations
from subscriptions.schedule.facts import LoadedSubscription


def collect_quantities(invoices: Sequence[Invoice], *, as_of: datetime) -> dict[uuid.UUID, str]:
    """Take the quantity snapshot of these drafts: re-rate their usage lines, then say what each waits for.

    With them, drafts that hold what came before in the same periods: what they have is to be fixed first. In the
    caller's transaction, which holds the customers' locks. A draft that can't be collected keeps its figures and goes
    to a named failed state, from which this step alone is tried again. Returns the new status of each.
    """
    invoices = _with_earlier(invoices, as_of)
    # Before usage is read: what comes in meanwhile is late only where it was not read.
    now = clock.now()
    # What is given back by credit notes, here or there: all series that it may need are locked the first time.
    issuers = issuers_of({invoice.customer_id for invoice in invoices})
    failures, unreported = read_quantities({invoice.id for invoice in invoices}, as_of, issuers)
    emptied = _settle_unreported(unreported, now, issuers)
    rows: list[list[Any]] = []
    statuses: dict[uuid.UUID, str] = {}
    for invoice in invoices:
        failure = failures.get(invoice.id)
        if invoice.id in emptied:
            status = InvoiceStatus.DELETED.value
        elif failure is not None:
            status, note = InvoiceStatus.DRAFT_COLLECTING_FAILED.value, failure.message
            rows.append([invoice.id, status, note, invoice.quantity_snapshoted_at, now])
        else:
            auto_advance = invoice.workflow_snapshot["values"]["auto_advance"]
            status = status_after_collection(auto_advance, invoice.draft_until or as_of, as_of).value
            if status == InvoiceStatus.ISSUED:
                # Collected first, issued in a transaction of its own: what can't be issued keeps its quantities.
                status = InvoiceStatus.DRAFT_WAITING_AUTO_APPROVAL.value
            rows.append([invoice.id, status, "", now, now])
        statuses[invoice.id] = status
    check_moves((invoice.status, statuses[invoice.id]) for invoice in invoices)
    update_rows(Invoice, ("status", "status_note", "quantity_snapshoted_at", "updated_at"), rows)
    return statuses


def _settle_unreported(lines: Sequence[InvoiceLine], now: datetime, issuers: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Take lines off their drafts for whose periods nothing was reported in time (billing rules 4). Returns the
    invoices that have none left and are gone."""
    if not lines:
        return set()
    ids = [line.id for line in lines]
    windows = BilledWindow.objects.filter(pk__in={line.window_id for line in lines})
    windows.update(kind=WindowKind.UNREPORTED, invoice=None)
    retax(drop_lines(ids, now=now), now=now, billed_by=issuers)
    gone = Invoice.objects.filter(pk__in={line.invoice_id for line in lines}, status=InvoiceStatus.DELETED)
    return set(gone.values_list("id", flat=True))


def _with_earlier(invoices: Sequence[Invoice], as_of: datetime) -> list[Invoice]:
    """These drafts, and those that wait with earlier windows of the periods that these bill. One query, where the
    customers have no other drafts that wait."""
    ids = {invoice.id for invoice in invoices}
    others = InvoiceLine.objects.counted().filter(
        invoice__customer_id__in={invoice.customer_id for invoice in invoices},
        invoice__status__in=TO_COLLECT,
        kind=LineKind.USAGE,
    )
    others = others.exclude(invoice_id__in=ids)
    waiting = {
        (item_id, start): pk for item_id, start, pk in others.values_list("item_id", "period_start", "invoice_id")
    }
    if not waiting:
        return list(invoices)
    lines = _lines(ids)
    subscriptions = {loaded.facts.id: loaded for loaded in load_subscriptions(_concerned(lines))}
    planned = (_planned(line, subscriptions, as_of) for line in lines)
    uses = ((use.item_id, use.start) for found in planned if found is not None for use in found.obligation.earlier)
    earlier = {waiting[use] for use in uses if use in waiting}
    if not earlier:
        return list(invoices)
    more = Invoice.objects.select_for_update().filter(pk__in=earlier).order_by("id")
    return _with_earlier([*invoices, *more], as_of)


def _lines(invoice_ids: Collection[uuid.UUID]) -> list[InvoiceLine]:
    """The usage lines of these drafts."""
    lines = InvoiceLine.objects.counted().filter(
        invoice_id__in=invoice_ids, kind=LineKind.USAGE, subscription__isnull=False
    )
    return list(lines.select_related("invoice"))


def _concerned(lines: Sequence[InvoiceLine]) -> QuerySet[Subscription]:
    """The subscriptions that these lines bill, with what succeeded them, to which their coupons were carried over."""
    billed = {line.subscription_id for line in lines}
    return Subscription.objects.filter(Q(pk__in=billed) | Q(previous__in=billed))


def read_quantities(
    invoice_ids: Collection[uuid.UUID], as_of: datetime, issuers: Collection[uuid.UUID] = ()
) -> tuple[dict[uuid.UUID, BillingError], list[InvoiceLine]]:
    """Rate the usage lines of these drafts with the usage of now; what can't be rated keeps its figures. Returns what
    went wrong, by invoice, and the lines for which nothing was reported. `issuers` are the suppliers, beside those of
    the customers of these drafts, whose series the same transaction may need later on."""
    lines = _lines(invoice_ids)
    concerned = _concerned(lines)
    subscriptions = {loaded.facts.id: loaded for loaded in load_subscriptions(concerned)}
    features = features_by_id(
        revision.feature_id
        for loaded in subscriptions.values()
        for item in loaded.facts.items
        for revision in item.revisions
        if revision.feature_id is not None
    )
    subjects = attributions_of({line.invoice.customer_id for line in lines})
    failures: dict[uuid.UUID, BillingError] = {}
    planned: list[tuple[InvoiceLine, PlannedLine]] = []
    for line in lines:
        found = _planned(line, subscriptions, as_of)
        if found is None:
            continue
        try:
            feature_of(found, features)
        except BillingError as error:
            failures[line.invoice_id] = error
            continue
        planned.append((line, found))
    quantities = quantities_of(
        [(found, subjects.get(line.invoice.customer_id, ())) for line, found in planned], features, as_of
    )
    if count_again(_counting_again(planned, quantities, subscriptions)):
        subscriptions = {loaded.facts.id: loaded for loaded in load_subscriptions(concerned)}
        planned = [(line, _planned(line, subscriptions, as_of) or found) for line, found in planned]
    coupons = CouponMoves(list(subscriptions.values()))
    rated: list[tuple[uuid.UUID, RatedDocumentLine]] = []
    unreported: list[InvoiceLine] = []
    rated_before: dict[WindowKey, RatedLine] = {}
    in_time = sorted(zip(planned, quantities, strict=True), key=lambda each: each[0][1].obligation.start)
    for (line, found), quantity in in_time:
        coupons.bring_up_to_date(found)
        if quantity.quantity is None:
            coupons.rated(found, is_reduced=False)
            unreported.append(line)
            continue
        try:
            document_line = rate_line(found, quantity.after(rated_before))
        except Exception as error:  # noqa: BLE001 - one draft that can't be rated must not stop the others
            failures[line.invoice_id] = as_cause(error, line.invoice.customer_id)
            continue
        document_line.id = line.id
        rated_before[found.obligation.key] = document_line.rated
        coupons.rated(found, is_reduced=bool(document_line.rated.coupon_used))
        rated.append((line.invoice_id, document_line))
    record_untouched(list(coupons.changed.values()))
    good = [entry for entry in rated if entry[0] not in failures]
    customers = {line.invoice_id: line.invoice.customer_id for line in lines}
    looks = [look_at(customers[invoice_id], line) for invoice_id, line in good if line.is_to_compare]
    LateUsageLook.objects.bulk_create(looks)
    redraft(good, now=clock.now(), billed_by=issuers)
    return failures, [line for line in unreported if line.invoice_id not in failures]


def _counting_again(
    planned: Sequence[tuple[InvoiceLine, PlannedLine]],
    quantities: Sequence[Quantity],
    subscriptions: dict[uuid.UUID, LoadedSubscription],
) -> list[tuple[uuid.UUID, datetime, datetime]]:
    """The windows in which a coupon has something to take off by now, though it had not when the draft was made."""
    coupons = CouponMoves(list(subscriptions.values()))
    found = []
    for (_, line), quantity in zip(planned, quantities, strict=True):
        counted = coupons.as_if_counted(line) if quantity.quantity else None
        if counted is None:
            continue
        # What can't be rated keeps its figures; why is said where it is rated for good.
        with suppress(BillingError):
            if rate_line(counted, quantity).rated.coupon_used:
                found.append((line.obligation.item.id, line.start, line.end))
    return found


def _planned(
    line: InvoiceLine, subscriptions: dict[uuid.UUID, LoadedSubscription], as_of: datetime
) -> PlannedLine | None:
    """The obligation that a draft's line is for, by the facts of now; None when there is none any more."""
    assert line.subscription_id is not None
    loaded = subscriptions[line.subscription_id]
    for obligation in obligations(loaded.facts, since=line.period_start, as_of=as_of):
        if obligation.key == (line.item_id, line.period_start):
            billed = BilledLine(line.id, line.invoice_id, (), line.total, line.total, None)
            settled = Billed(line.id, obligation.start, obligation.settles_until, True, on_draft=True, lines=[billed])
            terms = loaded.terms[obligation.revision.id]
            return PlannedLine(obligation, terms, (), obligation.invoice_at, on_draft=settled)
    return None
