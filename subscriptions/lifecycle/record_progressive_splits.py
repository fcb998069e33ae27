"""Records where running periods of usage were billed in parts, and takes back what was not billed after all (billing
rules 7)."""

import uuid
from collections.abc import Collection
from datetime import datetime

from subscriptions.models import SubscriptionItem


def record_progressive_splits(item_ids: Collection[uuid.UUID], *, at: datetime) -> None:
    """Cut the running periods of these items at `at` (UTC): from now on obligations yield a part up to it and one from
    it on. Cutting at the same moment again changes nothing.

    In the caller's transaction, which holds the locks of the items' customers.
    """
    for item in SubscriptionItem.objects.filter(pk__in=item_ids).order_by("pk"):
        if at not in item.progressive_splits:
            item.progressive_splits = sorted([*item.progressive_splits, at])
            item.save(update_fields=["progressive_splits", "updated_at"])


def take_back_progressive_splits(item_id: uuid.UUID, cuts: Collection[datetime]) -> None:
    """The item's periods are cut at these moments (UTC) no more: the parts on both sides are one again.

    In the caller's transaction, which holds the lock of the item's customer.
    """
    item = SubscriptionItem.objects.get(pk=item_id)
    kept = [at for at in item.progressive_splits if at not in cuts]
    if kept != item.progressive_splits:
        item.progressive_splits = kept
        item.save(update_fields=["progressive_splits", "updated_at"])
