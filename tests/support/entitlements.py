"""Entitles customers in tests, with fixed values, and counts what they use."""

from decimal import Decimal
from typing import Any

from core import clock
from customers.models import Customer
from entitlements.access.create_entitlement import create_entitlement
from entitlements.access.create_grant import create_grant
from entitlements.access.entitlement_input import EntitlementInput
from entitlements.access.grant_input import GrantInput
from entitlements.access.selectors import entitlements_with_facts
from entitlements.access.values import AccessValue, values_at
from entitlements.models import Entitlement, Feature, Grant
from tests.support.catalog import make_feature, make_meter
from tests.support.clock import at

START = "2026-04-01"


def make_metered_feature(key: str = "calls", **meter: Any) -> Feature:
    """Calls, measured by the meter of `tests.support.usage.use`."""
    return make_feature(key=key, name=key.title(), meter=make_meter(**meter))


def entitle(customer: Customer, on: str = START, issue: Any = "100", **terms: Any) -> Entitlement:
    """Metered, 100 a month from `on`, unless `terms` say otherwise; `issue` may have its priority beside it."""
    values: dict[str, Any] = {"type": "metered", "feature_key": "calls"}
    if isinstance(issue, tuple):
        values["issue"] = issue
    elif issue is not None and terms.get("type", "metered") == "metered":
        values["issue"] = Decimal(issue), 1
    if terms.get("type", "metered") == "metered":
        values["usage_period"] = "P1M", None
    span = {name: terms.pop(name) for name in ("active_to", "manager") if name in terms}
    with clock.frozen_at(at(on)):
        return create_entitlement(customer=customer, entitlement=EntitlementInput(**values | terms), **span)


def give(entitlement: Entitlement, amount: str, on: str = START, **terms: Any) -> Grant:
    """A grant from `on`, made at that time, which keeps nothing at a reset."""
    with clock.frozen_at(at(on)):
        values: dict[str, Any] = {"effective_at": at(on), "max_rollover": Decimal(0)} | terms
        return create_grant(entitlement=entitlement, grant=GrantInput(amount=Decimal(amount), **values))


def value(entitlement: Entitlement, moment: str) -> AccessValue:
    """Its value at `moment`, from what is stored."""
    return values_at([entitlements_with_facts().get(pk=entitlement.pk)], at(moment))[entitlement.pk]


def figures(entitlement: Entitlement, moment: str) -> tuple[bool, str, str, str, str]:
    """Access, total, usage, balance and overage at `moment`."""
    now = value(entitlement, moment)
    assert None not in (now.total, now.usage, now.balance, now.overage)
    return now.has_access, f"{now.total:f}", f"{now.usage:f}", f"{now.balance:f}", f"{now.overage:f}"
