"""Carries out a change of a subscription with its money: what comes back and what is charged, on one invoice."""

import uuid
from collections.abc import Callable, Collection
from datetime import datetime

from django.db import transaction

from core import clock
from core.locks import lock_customers
from invoicing.closing.close import LineSelector
from invoicing.closing.close_customers import bill_unparked
from invoicing.closing.documents import CustomerClose
from invoicing.closing.manual_lines import ManualLine
from invoicing.closing.park_customer import parked_customer
from invoicing.closing.plan import PlannedLine
from invoicing.closing.rhythm import rhythm_for
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.payments.collect import collect_invoices
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.change_result import ChangeResult, change_result, with_outlook
from invoicing.subscription_changes.held_back import HeldBack
from invoicing.subscription_changes.refuse_backdating import refuse_contradiction
from subscriptions.lifecycle.timing import Timing, moment_of
from subscriptions.models import Subscription

# Changes the facts from the given moment on; answers the successor, where there is one.
Change = Callable[[Subscription, datetime], Subscription | None]


def bill_change(
    *,
    subscription: Subscription,
    timing: Timing,
    change: Change,
    item_keys: Collection[str] | None = None,
    preview: bool = False,
    at_once: bool = True,
) -> ChangeResult:
    """Let `change` happen when `timing` says, and bill what follows from it now; with `preview` leave nothing behind,
    and show all that follows later, too.

    What was due before is billed apart, so that the change's invoice shows the change alone. Of a customer who is
    collected on a rhythm, what had fallen due waits on; what follows from the change itself is billed all the same,
    unless it is not to be billed `at_once` (billing rules 5). One transaction, behind
    the customer's lock. ContradictsInvoice (Conflict) for a moment in the past that was billed otherwise, for the items
    `item_keys` where only they change; BillingError where the change is refused or the customer can't be billed:
    nothing is changed. A parked customer's subscription changes all the same (the change may be what mends the cause);
    its money waits for the release.
    """
    with transaction.atomic(), uncounted(when=preview):
        lock_customers([subscription.customer_id])
        subscription = Subscription.objects.get(pk=subscription.pk)
        now = clock.now()
        at = moment_of(timing, subscription=subscription, now=now)
        rhythm = rhythm_for(subscription.customer_id)
        collect_at = at if at_once and at <= now else rhythm.collects(at)
        # What takes effect later says, also once it is done, what will come back then.
        ahead = LookAhead.begin(subscription.customer_id) if preview or collect_at > now else None
        invoice_ids: list[uuid.UUID] = []
        if subscription.active_from <= at < now:
            refuse_contradiction(subscription=subscription, at=at, item_keys=item_keys)
        earlier = close = None
        bills_now = at <= now and parked_customer(subscription.customer_id) is None
        if bills_now:
            earlier = bill_unparked(subscription.customer_id, as_of=now, select=_due_before(subscription.id, at, now))
            invoice_ids += [document.id for document in earlier.invoices]
        successor = change(subscription, at)
        changed = {subscription.id} | ({successor.id} if successor is not None else set())
        if bills_now:
            close = _bill_changed(subscription.customer_id, changed, now, None if not at_once else earlier)
            invoice_ids += [document.id for document in close.invoices]
        sync_customers([subscription.customer_id], as_of=now)
        result = change_result(subscription, successor=successor, close=close, earlier=earlier)
        if ahead is not None:
            outlook = ahead.outlook(effect=collect_at, watched=changed) if preview else ahead.glimpse(effect=collect_at)
            result = with_outlook(result, outlook, effect=collect_at)
        if preview:
            transaction.set_rollback(True)
    if not preview:
        collect_invoices(invoice_ids, as_of=clock.now())
    return result


def _bill_changed(
    customer_id: uuid.UUID, changed: Collection[uuid.UUID], now: datetime, earlier: CustomerClose | None
) -> CustomerClose:
    """Bill what these subscriptions have due now, but for what `earlier` has left to wait for its collection; without
    it, what is collected now."""
    if earlier is None:
        return bill_unparked(
            customer_id,
            as_of=now,
            select=lambda line: line.collect_at <= now and line.subscription_id in changed,
        )
    held = HeldBack.after(earlier, now)
    return bill_unparked(
        customer_id,
        as_of=now,
        select=lambda line: line.invoice_at <= now and line.subscription_id in changed and not held.holds(line),
        give_back=lambda unused_time: not held.holds_credit(unused_time),
    )


def _due_before(subscription_id: uuid.UUID, at: datetime, now: datetime) -> LineSelector:
    """Lines of a customer that are collected whether or not a subscription changes at `at`: time before it, and fees in
    advance that fell due before it. A period that begins at that very second is not billed only to come back."""

    def select(line: PlannedLine | ManualLine) -> bool:
        if line.collect_at > now:
            return False
        if line.subscription_id != subscription_id:
            return True
        return line.end <= at or line.invoice_at < at

    return select
