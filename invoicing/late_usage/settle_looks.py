"""Looks where late usage was noted: keeps the cases of settled windows as their usage stands, and bills those that the
customer's terms bill by themselves (billing rules 6)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from core import clock
from core.batches import together_or_alone
from core.locks import lock_customers
from customers.choices import LateUsage as Policy
from invoicing.choices import LateUsageState
from invoicing.closing.quantities import WindowKey
from invoicing.late_usage.book_adjustments import book_adjustments
from invoicing.late_usage.cases import absorb, keep_open
from invoicing.late_usage.judge import Judged, LateUsage, judge
from invoicing.models import LateUsageCase, LateUsageLook, ParkedCustomer
from subscriptions.schedule.facts import Span

CUSTOMERS_AT_ONCE = 50
_ROWS = 1000
_AGAIN_IN = timedelta(hours=1)
BY_TERMS = "The customer's terms bill late usage with the next invoice."


def settle_looks(*, pieces: int = 20) -> int:
    """Look at who was noted, `pieces` times some customers at most; returns how many were looked at.

    Any number of workers at once: who comes second finds nothing left. A customer who can't be looked at holds up
    nobody, and is tried again an hour later.
    """
    looked = 0
    for _ in range(pieces):
        ids = _next()
        if not ids:
            break
        together_or_alone(ids, act=_settle, fail=_try_later)
        looked += len(ids)
        if len(ids) < CUSTOMERS_AT_ONCE:
            break
    return looked


def _due() -> Q:
    return Q(not_before__isnull=True) | Q(not_before__lte=clock.now())


def _next() -> list[uuid.UUID]:
    """Customers to look at: those of the looks that were noted first, and up to half of them whose hour has come."""
    looks = LateUsageLook.objects.values_list("customer_id", flat=True)
    fresh = looks.filter(not_before__isnull=True).order_by("id")[:_ROWS]
    again = list(dict.fromkeys(looks.filter(not_before__lte=clock.now()).order_by("not_before")[:_ROWS]))
    half = CUSTOMERS_AT_ONCE // 2
    return list(dict.fromkeys([*again[:half], *fresh, *again[half:]]))[:CUSTOMERS_AT_ONCE]


@transaction.atomic
def _settle(customer_ids: Sequence[uuid.UUID]) -> None:
    lock_customers(customer_ids)
    # Behind the locks: whoever had them has looked, and deleted what they looked at.
    looks = list(LateUsageLook.objects.filter(_due(), customer_id__in=customer_ids))
    if not looks:
        return
    spans: dict[uuid.UUID, Span] = {}
    for look in looks:
        known = spans.get(look.customer_id)
        until = look.until if known is None or known.end is None else max(look.until, known.end)
        spans[look.customer_id] = Span(look.since if known is None else min(look.since, known.start), until)
    left, failed = spans, set[uuid.UUID]()
    while left:
        # Of several windows of one period the first: what the next one comes to depends on it.
        judged = judge(left, as_of=clock.now())
        failed |= {customer_id for customer_id, each in judged.items() if each.error is not None}
        left = {customer_id: spans[customer_id] for customer_id in _keep(judged)}
    # What was noted meanwhile stays, and is looked at next.
    done = LateUsageLook.objects.filter(pk__in=[look.pk for look in looks])
    done.filter(customer_id__in=failed).update(not_before=clock.now() + _AGAIN_IN)
    done.exclude(customer_id__in=failed).delete()


def _keep(judged: Mapping[uuid.UUID, Judged]) -> set[uuid.UUID]:
    """Bring the cases of these customers up to date, and bill what bills itself. Returns of whom there is more."""
    windows = {window_id for each in judged.values() for window_id in each.looked_at}
    known = LateUsageCase.objects.filter(window_id__in=windows, state=LateUsageState.OPEN).order_by("id")
    open_cases = {case.window_id: case for case in known}
    late = {window_id: found for each in judged.values() for window_id, found in each.late.items()}
    absorb([case for window_id, case in open_cases.items() if window_id not in late])
    kept = keep_open(late, open_cases)
    parked = set(
        ParkedCustomer.objects.still_parked().filter(customer_id__in=judged).values_list("customer_id", flat=True)
    )
    billed: list[tuple[LateUsageCase, LateUsage]] = []
    more: set[uuid.UUID] = set()
    taken: set[WindowKey] = set()
    for case in sorted(kept, key=lambda case: (case.period_start, case.pk)):
        found, customer = late[case.window_id], judged[case.customer_id]
        if case.customer_id in parked or not _bills_itself(customer, found):
            continue
        if taken.isdisjoint(found.period):
            taken |= found.period
            billed.append((case, found))
        else:
            more.add(case.customer_id)
    book_adjustments([(case, found, judged[case.customer_id].loaded) for case, found in billed], reason=BY_TERMS)
    return more


def _bills_itself(judged: Judged, late: LateUsage) -> bool:
    """Whether the terms bill it without anybody's decision: never what would be a credit, or was waived."""
    return (
        judged.terms.settings.values["late_usage"] == Policy.BILL
        and not late.is_waived
        and late.net >= 0
        and (late.quantity > 0 or late.net > 0)
    )


@transaction.atomic
def _try_later(customer_id: uuid.UUID, error: Exception) -> None:
    LateUsageLook.objects.filter(_due(), customer_id=customer_id).update(not_before=clock.now() + _AGAIN_IN)
