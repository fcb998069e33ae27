"""Records where running periods of usage were cut: what was billed up to a moment stays, what follows is its own."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from subscriptions.models import SubscriptionItem


def record_usage_splits(splits: Iterable[tuple[uuid.UUID, datetime]]) -> None:
    """Cut the usage of items (by id) at moments (UTC): from now on obligations yield a window up to each of them and
    one from it on. Cutting at the same moment again changes nothing.

    In the caller's transaction, which holds the locks of the items' customers.
    """
    by_item: dict[uuid.UUID, set[datetime]] = defaultdict(set)
    for item_id, at in splits:
        by_item[item_id].add(at)
    for item in SubscriptionItem.objects.filter(pk__in=by_item).order_by("pk"):
        cuts = sorted(by_item[item.pk] | set(item.usage_splits))
        if cuts != item.usage_splits:
            item.usage_splits = cuts
            item.save(update_fields=["usage_splits", "updated_at"])
