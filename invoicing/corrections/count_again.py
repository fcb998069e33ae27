"""Lets coupons count periods again that were left out because there was nothing to take off in them."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from invoicing.choices import LineKind, WindowKind
from invoicing.models import BilledWindow
from subscriptions.lifecycle.coupon_periods import counted_end
from subscriptions.lifecycle.facts import untouched_from_json, untouched_to_json
from subscriptions.models import CouponRedemption
from subscriptions.schedule.coupon_reach import without
from subscriptions.schedule.facts import Span


def count_again(windows: Iterable[tuple[uuid.UUID, datetime, datetime]]) -> bool:
    """Take these windows, each an item's id, start and end, out of what coupons found untouched, and bring their ends
    back: there may be something to take off there after all (billing rules 3). Whether any was.

    A window stays untouched where its coupon has moved on for good: where a later period that it reached for this alone
    was billed with it. Otherwise it would reduce one period too many. In the caller's transaction, which holds the
    customers' locks. One query where no coupon is concerned.
    """
    by_item: dict[uuid.UUID, list[Span]] = defaultdict(list)
    for item_id, start, end in windows:
        by_item[item_id].append(Span(start, end))
    concerned = CouponRedemption.objects.filter(item_id__in=by_item, effective_to__isnull=False).exclude(untouched=[])
    changed = False
    for redemption in concerned.select_related("coupon", "item").order_by("redeemed_at", "id"):
        # Links of one coupon are saved together: the one before may have brought this one back, too.
        redemption.refresh_from_db(fields=["effective_to", "untouched"])
        for window in by_item[redemption.item_id]:
            changed |= _count_again(redemption, window)
    return changed


def _count_again(redemption: CouponRedemption, window: Span) -> bool:
    links = _links(redemption)
    before = [untouched_from_json(link.untouched) for link in links]
    if not any(_holds(spans, window.start) for spans in before):
        return False
    followed = [counted_end(link) == link.effective_to for link in links]
    if not followed[-1]:
        # Counted otherwise once: nothing says where it would end.
        return False
    reached, last = links[-1].effective_to, links[-1]
    for link, spans in zip(links, before, strict=True):
        link.untouched = untouched_to_json(without(spans, window))
    end = counted_end(last)
    assert reached is not None and end is not None
    if _is_used(links, before[-1], Span(end, reached)):
        return False
    for link, follows in zip(links, followed, strict=True):
        if follows:
            link.effective_to = counted_end(link)
        link.save(update_fields=["effective_to", "untouched"])
    redemption.untouched = next(link.untouched for link in links if link.pk == redemption.pk)
    return True


def _is_used(links: list[CouponRedemption], untouched: Iterable[Span], span: Span) -> bool:
    """Whether the coupon took anything off for windows that begin in `span` and whose quantities are fixed."""
    windows = BilledWindow.objects.filter(
        Q(lines__kind=LineKind.FLAT) | Q(invoice__quantity_snapshoted_at__isnull=False),
        item_id__in=[link.item_id for link in links],
        kind=WindowKind.CHARGE,
        span__startswith__gte=span.start,
        span__startswith__lt=span.end,
    )
    spans = tuple(untouched)
    return any(not _holds(spans, settled.lower) for settled in windows.values_list("span", flat=True))


def _holds(spans: Iterable[Span], moment: datetime) -> bool:
    return any(span.start <= moment and (span.end is None or moment < span.end) for span in spans)


def _links(redemption: CouponRedemption) -> list[CouponRedemption]:
    """The redemption with those that plan changes made of it, the earliest first."""
    known = CouponRedemption.objects.select_related("coupon", "item")
    links = [redemption]
    while links[0].continues_id is not None:
        links.insert(0, known.get(pk=links[0].continues_id))
    while (following := known.filter(continues=links[-1]).first()) is not None:
        links.append(following)
    return links
