"""What a customer may use now, as their page shows it: each entitlement with what is left of which kind of grant."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from core import clock
from core.admin.verbs import buttons_of
from customers.models import Customer
from entitlements.access.burndown import usage_period_at
from entitlements.access.chains import chained_schedule
from entitlements.access.selectors import active_at, entitlements_with_facts, with_managed
from entitlements.access.values import AccessValue, values_at
from entitlements.admin.access.grant_usage import GrantUsage
from entitlements.models import Entitlement

MOST = 50


@dataclass(frozen=True, slots=True)
class EntitledTo:
    """One entitlement that is active. `left` says what is left of each kind of grant; `percent` is what of the usage
    period's total that is; `grant_url` is where usage is granted, "" for who may not."""

    entitlement: Entitlement
    value: AccessValue
    managed: str
    resets_at: datetime | None
    left: list[tuple[str, Decimal]]
    percent: int
    grant_url: str


def entitlements_of(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """What the card shows: at most 50 entitlements, by feature, and whether there are more. As many queries for many as
    for one."""
    now = clock.now()
    facts = entitlements_with_facts().prefetch_related(with_managed())
    theirs = facts.filter(active_at(now), customer=customer).order_by("feature_key", "id")
    found = list(theirs[: MOST + 1])
    values = values_at(found[:MOST], now)
    return {
        "customer": customer,
        "entitlements": [_row(request, each, values[each.pk], now) for each in found[:MOST]],
        "more": len(found) > MOST,
    }


def _row(request: HttpRequest, entitlement: Entitlement, value: AccessValue, now: datetime) -> EntitledTo:
    schedule = chained_schedule(entitlement)
    total, balance = value.total or Decimal(0), value.balance or Decimal(0)
    buttons = buttons_of(request, entitlement, [GrantUsage()])
    return EntitledTo(
        entitlement=entitlement,
        value=value,
        managed=str(entitlement.managed_keys.get("plan", "a subscription")) if entitlement.managed_in else "",
        resets_at=None if schedule is None else usage_period_at(schedule, now).end,
        left=_left(entitlement, value),
        percent=int(balance * 100 / total) if total > 0 else 0,
        grant_url=buttons[0].url if buttons else "",
    )


def _left(entitlement: Entitlement, value: AccessValue) -> list[tuple[str, Decimal]]:
    """What is left of what the terms issue, of what staff granted, and of what moved along from earlier terms."""
    issued = {grant.pk: grant.issued for grant in entitlement.grants.all()}
    names = {True: "issued", False: "by staff", None: "moved along"}
    sums: dict[str, Decimal] = {}
    for key, left in (value.grants or {}).items():
        name = names[issued.get(key)]
        sums[name] = sums.get(name, Decimal(0)) + left
    return [(name, sums[name]) for name in names.values() if name in sums]
