"""Updates a subscription item and shows what that costs, now and at the next billing date (billing rules 4)."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.errors import field_error
from core.locks import lock_customers
from core.money import ZERO, round_money, trimmed
from core.outbox.services.enqueue import enqueue_email
from core.outbox.services.mail_text import render_mail
from invoicing.closing.close import LineSelector, compute, select_due
from invoicing.closing.close_customers import bill_customer
from invoicing.closing.documents import CustomerClose
from invoicing.closing.rhythm import rhythm_for
from invoicing.errors import FiguresMoved, NegativeAmount
from invoicing.gathering.sync import sync_customers
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import BilledWindow
from invoicing.payments.collect import collect_invoices
from invoicing.previews.outlook import Outlook
from invoicing.previews.preview_change import LookAhead
from invoicing.subscription_changes.held_back import HeldBack
from invoicing.subscription_changes.redeem_coupon import redeem_on
from subscriptions.lifecycle.item_update import ItemUpdate
from subscriptions.lifecycle.record_extension import record_extension
from subscriptions.lifecycle.record_quantity import record_quantity
from subscriptions.lifecycle.record_report import record_report, reported_period
from subscriptions.lifecycle.selectors import find_item, item_period, revision_at
from subscriptions.models import QuantityChange, Subscription, SubscriptionItem
from subscriptions.pricing import parse_price


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUpdateResult:
    """What comes of an update, or would: amounts are gross, in `currency`. `late` usage missed its period's snapshot. A
    preview has an `outlook` on all documents that follow; `invoice_ids` are all that were made."""

    due_now: Decimal
    next_amount: Decimal
    next_billing_at: datetime | None
    currency: str
    invoice_id: uuid.UUID | None = None
    late: bool = False
    outlook: Outlook | None = field(default=None, compare=False)
    invoice_ids: tuple[uuid.UUID, ...] = field(default=(), compare=False)


def update_item(*, subscription_id: uuid.UUID, running_number: int, update: ItemUpdate) -> ItemUpdateResult:
    """Carry out `update`, or (`preview_only`) work out the same and leave nothing behind.

    A flat item's quantity changes: aligned, at once, and the difference is billed now; else from its next billing
    date, or from `effective_at`. What was shown as of `as_of` a little before counts from then; FiguresMoved where
    something came in between. A usage item without a meter takes the quantity as its report. Amounts are those of
    the subscription. InvalidInput where the update makes no sense for the item; NegativeAmount where it would lower
    what is billed already. Either changes nothing.
    """
    with transaction.atomic(), uncounted(when=update.preview_only):
        item = find_item(subscription_id=subscription_id, running_number=running_number)
        if update.product_id != item.key:
            raise field_error(
                "productId", "wrong_product", f"Item {running_number} is {item.key}, not {update.product_id}."
            )
        if update.extend and not update.align:
            raise field_error(
                "alignment.extendInterval", "needs_alignment", "extendInterval goes with alignToCurrentInterval only."
            )
        customer_id = item.subscription.customer_id
        lock_customers([customer_id])
        ahead = LookAhead.begin(customer_id) if update.preview_only else None
        outlook = None
        now = effect = clock.now()
        invoice_ids: list[uuid.UUID] = []
        due_now = ZERO
        late = False
        if _is_flat(item, update.effective_at or update.usage_period_start or update.as_of or now):
            if update.align:
                _refuse_moved(item, update.as_of, now)
                # What was due before the update is billed apart, so that what the update costs stands alone.
                due = bill_customer(customer_id, as_of=now, select=select_due(now))
                held = HeldBack.after(due, now)
                invoice_ids += [document.id for document in due.invoices]
            effect = _change_flat(item, update, now)
            if update.align:
                due_now, billed = _bill_difference(item.subscription, now, held)
                invoice_ids += billed
        else:
            late = _report(item, update)
        if update.coupon_code:
            redeem_on(item, update.coupon_code, now=now, preview=update.preview_only)
        sync_customers([customer_id], as_of=now)
        _refuse_negative(_computed(customer_id, now, select=_due_or_amending(now)), item.subscription_id)
        next_at, next_amount = _next_billing(item.subscription)
        if update.send_notification and not update.preview_only:
            _notify(item, update)
        if ahead is not None:
            until = effect if effect <= now else ahead.rhythm.collects(effect)
            outlook = ahead.outlook(effect=until, watched={item.subscription_id})
            transaction.set_rollback(True)
    if not update.preview_only:
        collect_invoices(invoice_ids, as_of=clock.now())
    currency = item.subscription.currency
    return ItemUpdateResult(
        due_now=round_money(due_now, currency),
        next_amount=round_money(next_amount, currency),
        next_billing_at=next_at,
        currency=currency,
        invoice_id=invoice_ids[-1] if due_now and not update.preview_only else None,
        late=late,
        outlook=outlook,
        invoice_ids=() if update.preview_only else tuple(invoice_ids),
    )


def _is_flat(item: SubscriptionItem, at: datetime) -> bool:
    revision = revision_at(item, at)
    if revision is None:
        raise field_error(
            "effectiveAt",
            "item_not_active",
            f"Item {item.running_number} ({item.key}) is not active at {at:%Y-%m-%d %H:%M} UTC; nothing was changed.",
        )
    price = parse_price(revision.price)
    return price is None or price.is_flat


def _change_flat(item: SubscriptionItem, update: ItemUpdate, now: datetime) -> datetime:
    """Change the quantity; answers from when it counts."""
    if item.purchase is not None:
        raise field_error(
            "productId",
            "addon_item",
            f"Item {item.running_number} ({item.key}) belongs to the add-on {item.purchase.name}: change the quantity "
            "of that purchase instead. Nothing was changed.",
        )
    if update.usage_period_start is not None:
        raise field_error(
            "usagePeriodStart",
            "not_a_usage_item",
            f"Item {item.running_number} ({item.key}) is not billed by usage: give effectiveAt instead.",
        )
    effective_at = update.effective_at
    if effective_at is None:
        effective_at = (update.as_of or now) if update.align else _next_start(item, now)
    elif update.align:
        raise field_error(
            "effectiveAt", "not_with_alignment", "An aligned update takes effect now: leave effectiveAt out."
        )
    record_quantity(
        item=item, quantity=update.quantity, effective_at=effective_at, action=update.action, as_of=update.as_of
    )
    if update.extend:
        record_extension(item=item, at=effective_at)
    return effective_at


def _refuse_moved(item: SubscriptionItem, as_of: datetime | None, now: datetime) -> None:
    """FiguresMoved where what was seen as of `as_of` can't be what is billed now: the quantity was changed since, or
    another period has begun."""
    if as_of is None:
        return
    changed = QuantityChange.objects.filter(item=item, recorded_at__gt=as_of).exists()
    if changed or _next_start(item, as_of) <= now:
        raise FiguresMoved()


def _next_start(item: SubscriptionItem, now: datetime) -> datetime:
    """The item's next billing date: where a change without alignment begins to count."""
    revision = revision_at(item, now)
    period = item_period(revision, now) if revision is not None else None
    return period.end if period is not None else now


def _bill_difference(subscription: Subscription, now: datetime, held: HeldBack) -> tuple[Decimal, list[uuid.UUID]]:
    """Bill what the update made due on this subscription, at once; what is `held` waits on for its collection."""
    close = bill_customer(
        subscription.customer_id,
        as_of=now,
        select=lambda line: line.invoice_at <= now and line.subscription_id == subscription.id and not held.holds(line),
        give_back=lambda unused_time: not held.holds_credit(unused_time),
    )
    _refuse_negative(close, subscription.id)
    return close.gross_of({subscription.id}), [document.id for document in close.invoices]


def _report(item: SubscriptionItem, update: ItemUpdate) -> bool:
    """Take the quantity as the report for its period; True when that period's snapshot has been taken already."""
    if update.effective_at is not None:
        raise field_error(
            "effectiveAt",
            "not_a_flat_item",
            f"Item {item.running_number} ({item.key}) is reported by usagePeriodStart.",
        )
    period = reported_period(item=item, usage_period_start=update.usage_period_start)
    windows = BilledWindow.objects.filter(item=item, span__contains=period.start).select_related("invoice")
    window = windows.first()
    late = window is not None and (window.invoice is None or window.invoice.quantity_snapshoted_at is not None)
    record_report(
        item=item,
        quantity=update.quantity,
        usage_period_start=update.usage_period_start,
        action=update.action,
        late=late,
    )
    return late


def _refuse_negative(close: CustomerClose, subscription_id: uuid.UUID) -> None:
    for line in close.dropped:
        if line.obligation.subscription.id == subscription_id:
            raise NegativeAmount(
                f"{line.obligation.revision.name} is billed until {line.end:%-d %B %Y} already, and this would lower "
                "it. Nothing was changed. Without alignment the new quantity counts from the next billing date."
            )


def _due_or_amending(now: datetime) -> LineSelector:
    """Takes what is due, and every change of what is billed already: one that takes effect later must not lower it."""
    return lambda line: line.invoice_at <= now or line.amends is not None


def _computed(customer_id: uuid.UUID, as_of: datetime, *, select: LineSelector) -> CustomerClose:
    """What a close of the customer as of `as_of` would do, unless it would park them."""
    return compute([customer_id], as_of=as_of, select=select).or_refuse().closes[0]


def _next_billing(subscription: Subscription) -> tuple[datetime | None, Decimal]:
    """When the subscription bills next, and how much, with what is known now."""
    subscription.refresh_from_db(fields=["next_billing_at"])
    at = subscription.next_billing_at
    if at is None:
        return None, ZERO
    at = rhythm_for(subscription.customer_id).collects(at)
    return at, _computed(subscription.customer_id, at, select=select_due(at)).gross_of({subscription.id})


def _notify(item: SubscriptionItem, update: ItemUpdate) -> None:
    customer = item.subscription.customer
    enqueue_email(
        to=customer.primary_email or "",
        text=render_mail(
            "item_quantity_changed",
            {
                "customer": customer.name,
                "subscription": item.subscription.name,
                "item": item.key,
                "quantity": trimmed(update.quantity),
            },
        ),
        customer_id=customer.id,
    )
