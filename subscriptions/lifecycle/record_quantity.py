"""Changes the quantity (seats) of a flat item from a time on."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.errors import field_error
from core.locks import lock_customers
from core.money import trimmed
from subscriptions.choices import UpdateAction
from subscriptions.lifecycle.facts_changed import facts_changed
from subscriptions.lifecycle.selectors import item_period, quantity_at, revision_at
from subscriptions.models import ItemRevision, QuantityChange, SubscriptionItem
from subscriptions.pricing import parse_price


@transaction.atomic
def record_quantity(
    *,
    item: SubscriptionItem,
    quantity: Decimal,
    effective_at: datetime,
    action: str = UpdateAction.UPDATE,
    as_of: datetime | None = None,
) -> QuantityChange:
    """From `effective_at` (UTC) on, `item` counts `quantity` times (billing rules 4). Touches no invoice.

    A change that takes effect now or later replaces the ones that were planned for later than it; a backdated one
    leaves the later ones as they are. With `as_of`, now is that moment: the one whose figures were seen. Repeating a
    change records nothing twice. InvalidInput where the item is not a flat one, or not active at that time.
    """
    lock_customers([item.subscription.customer_id])
    now = clock.now()
    if quantity < 0:
        raise field_error("quantity", "negative", "The quantity must not be negative; nothing was changed.")
    revision = _flat_revision(item, effective_at)
    if effective_at >= (as_of or now):
        QuantityChange.objects.filter(item=item, effective_at__gt=effective_at).delete()
    before = quantity_at(item, effective_at)
    latest = QuantityChange.objects.filter(item=item, effective_at=effective_at).order_by("recorded_at", "id").last()
    if latest is not None and latest.quantity == quantity:
        return latest
    change = QuantityChange.objects.create(item=item, effective_at=effective_at, quantity=quantity, action=action)
    period = item_period(revision, effective_at)
    window_start = period.start if period else revision.active_from
    facts_changed(subscription=item.subscription, changed_from=window_start, due_at=max(now, window_start))
    record(
        verb="subscription.quantity_changed",
        target=item.subscription,
        did=(
            f"changed the quantity of {item} of {item.subscription} from {trimmed(before)} to {trimmed(quantity)}, "
            f"effective {effective_at:%Y-%m-%d %H:%M} UTC"
        ),
        changes={f"items.{item.running_number}.quantity": [trimmed(before), trimmed(quantity)]},
        customer_id=item.subscription.customer_id,
    )
    return change


def _flat_revision(item: SubscriptionItem, effective_at: datetime) -> ItemRevision:
    revision = revision_at(item, effective_at)
    if revision is None:
        raise field_error(
            "effectiveAt",
            "item_not_active",
            f"Item {item.running_number} ({item.key}) is not active at {effective_at:%Y-%m-%d %H:%M} UTC; "
            "nothing was changed.",
        )
    price = parse_price(revision.price)
    if price is None or not price.is_flat:
        raise field_error(
            "quantity",
            "not_a_flat_item",
            f"Item {item.running_number} ({item.key}) is billed by usage, not by quantity; nothing was changed.",
        )
    if revision.billing_cadence is None and effective_at != revision.active_from:
        raise field_error(
            "quantity",
            "charged_once",
            f"Item {item.running_number} ({item.key}) is charged once, on {revision.active_from:%Y-%m-%d %H:%M} UTC; "
            "only its quantity at that time can be changed. Nothing was changed.",
        )
    return revision
