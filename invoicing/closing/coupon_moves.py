"""Owns which coupons a computation moves on: those with nothing to take off in a period (billing rules 3). Pure."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from core.periods import Cadence
from invoicing.closing.plan import PlannedLine
from subscriptions.schedule import CouponFacts, ItemFacts, SubscriptionFacts, service_period_at
from subscriptions.schedule.coupon_reach import (
    charged_spans,
    costs,
    end_after,
    is_covered,
    joined,
    parts_within,
    without,
)
from subscriptions.schedule.facts import LoadedSubscription, Span
from subscriptions.schedule.obligations import Obligation, coupons_over, is_untouched


class CouponMoves:
    """The coupons of customers while windows are rated in order of time: each may move the end of the coupon on it,
    and so decide for the next one.

    `changed` are the redemptions to store, as they are then. All links of a redemption that plan changes carried over
    know the same untouched time, as far as their subscriptions are loaded.
    """

    def __init__(self, subscriptions: Sequence[LoadedSubscription]) -> None:
        self.changed: dict[uuid.UUID, CouponFacts] = {}
        self._items: dict[uuid.UUID, ItemFacts] = {}
        self._places: dict[uuid.UUID, tuple[SubscriptionFacts, uuid.UUID]] = {}
        for loaded in subscriptions:
            for item in loaded.facts.items:
                for coupon in item.coupons:
                    if coupon.end is not None and coupon.id is not None:
                        self._items[item.id] = item
                        self._places[coupon.id] = (loaded.facts, item.id)

    def bring_up_to_date(self, line: PlannedLine) -> None:
        """Let `line` know what earlier lines made of its item's coupons."""
        item = self._items.get(line.obligation.item.id)
        if item is not None and item.coupons is not line.obligation.item.coupons:
            line.obligation = line.obligation._replace(item=replace(line.obligation.item, coupons=item.coupons))

    def rated(self, line: PlannedLine, *, is_reduced: bool) -> None:
        """The first of the coupons over the window of `line` took something off where that `is_reduced`. The others
        found nothing to take off: with the last window of its period, and all of that untouched, the end of such a
        coupon moves by a period."""
        window = line.obligation
        cadence = window.revision.cadence
        if cadence is None or not costs(window.revision):
            return
        for place, coupon in enumerate(coupons_over(window.item, window.start)):
            reduces = is_reduced and place == 0
            if not reduces and coupon.id in self._places and not is_untouched(coupon, window.start):
                self._leave_out(window, coupon, cadence)

    def _leave_out(self, window: Obligation, coupon: CouponFacts, cadence: Cadence) -> None:
        """Note that `coupon` took nothing off in `window`."""
        sub, item = window.subscription, window.item
        period = service_period_at(sub, cadence, window.start)
        begin = max(period.start, coupon.start)
        before = parts_within(charged_spans(sub, item, cadence), begin, window.start)
        if coupon.continues is not None and sub.start > begin:
            # What the subscription before this one charged for; it was billed then.
            before.append(Span(begin, sub.start))
        whole = all(is_covered(part, coupon.untouched) for part in before)
        span = Span(begin if whole else window.start, window.end)
        links = list(self._links(coupon))
        to_come = [
            part
            for later_sub, later in self._continuing(coupon, cadence, period.start)
            for part in parts_within(charged_spans(later_sub, later, cadence), window.end, period.end)
        ]
        moves = whole and not to_come and not parts_within(charged_spans(sub, item, cadence), window.end, period.end)
        left = [replace(link, untouched=joined([*link.untouched, span])) for link in links]
        ends = [self._end_moved_on(left[: index + 1], cadence) for index in range(len(left))] if moves else None
        for index, link in enumerate(left):
            self._keep(link if ends is None else replace(link, end=ends[index]))

    def as_if_counted(self, line: PlannedLine) -> PlannedLine | None:
        """`line` with the coupon that had nothing to take off when it was rated before; None where there is none."""
        window = line.obligation
        for coupon in islice(coupons_over(window.item, window.start), 1):
            if coupon.id in self._places and is_untouched(coupon, window.start):
                again = replace(coupon, untouched=without(coupon.untouched, Span(window.start, window.end)))
                coupons = tuple(again if each is coupon else each for each in window.item.coupons)
                return replace(line, obligation=window._replace(item=replace(window.item, coupons=coupons)))
        return None

    def _keep(self, coupon: CouponFacts) -> None:
        assert coupon.id is not None
        _, item_id = self._places[coupon.id]
        item = self._items[item_id]
        coupons = tuple(coupon if each.id == coupon.id else each for each in item.coupons)
        self._items[item_id] = replace(item, coupons=coupons)
        self.changed[coupon.id] = coupon

    def _links(self, coupon: CouponFacts) -> Iterator[CouponFacts]:
        """The loaded links of the redemption, the earliest first."""
        known = {each.id: each for item in self._items.values() for each in item.coupons if each.id in self._places}
        first = coupon
        while first.continues in known:
            first = known[first.continues]
        following: dict[uuid.UUID | None, CouponFacts] = {
            each.continues: each for each in known.values() if each.continues is not None
        }
        link: CouponFacts | None = first
        while link is not None:
            yield link
            link = following.get(link.id)

    def _continuing(
        self, coupon: CouponFacts, cadence: Cadence, period_start: datetime
    ) -> Iterator[tuple[SubscriptionFacts, ItemFacts]]:
        """The items that go on with the coupon in the very period: those whose boundaries are the same."""
        links = list(self._links(coupon))
        for link in links[links.index(coupon) + 1 :]:
            sub, item = self._place(link)
            if service_period_at(sub, cadence, sub.start).start == period_start:
                yield sub, item

    def _end_moved_on(self, links: Sequence[CouponFacts], cadence: Cadence) -> datetime:
        """The end of the last of `links`, a counted period later: past what was left out before, where a period in
        front of it is billed anew. An end that is planned for its subscription may be taken back."""
        *earlier, last = links
        sub, item = self._place(last)
        calendar = replace(sub, end=None)
        charged = charged_spans(calendar, item, cadence)
        for link in earlier:
            charged += charged_spans(*self._place(link), cadence)
        assert last.end is not None
        return end_after(
            1, calendar=calendar, cadence=cadence, charged=charged, untouched=last.untouched, start=last.end
        )

    def _place(self, coupon: CouponFacts) -> tuple[SubscriptionFacts, ItemFacts]:
        assert coupon.id is not None
        sub, item_id = self._places[coupon.id]
        return sub, self._items[item_id]
