"""Loads what decides how customers are billed: their overrides, pins and the default profile."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from core.among import among
from core.errors import PreconditionFailed
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.resolution import WORKFLOW_FIELDS, EffectiveSettings, Layer, resolve


@dataclass(frozen=True, slots=True)
class Terms:
    """How one customer is billed now: the profile, its supplier and app loaded, and every field with its origin."""

    profile: BillingProfile
    settings: EffectiveSettings


def default_profile() -> BillingProfile:
    """The default profile, with its supplier and app. PreconditionFailed where an installation has none."""
    profile = BillingProfile.objects.select_related("supplier", "app").filter(is_default=True).first()
    if profile is None:
        raise PreconditionFailed(
            "There is no default billing profile, so nobody can be billed. Make one profile the default.",
            code="no_default_profile",
        )
    return profile


def hold_default() -> None:
    """Keep another profile from becoming the default until the transaction ends; any number hold it together. One
    query."""
    list(BillingProfile.objects.raw("SELECT id FROM customers_billingprofile WHERE is_default FOR KEY SHARE"))


def terms_of(customer_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Terms]:
    """The terms of these customers (billing rules 5). Two queries."""
    default = default_profile()
    common = Terms(default, resolve([Layer("default profile", profile_values(default))]))
    terms = dict.fromkeys(customer_ids, common)
    overrides = CustomerOverride.objects.select_related("billing_profile__supplier", "billing_profile__app")
    for override in among(overrides, "customer_id", customer_ids):
        terms[override.customer_id] = _terms_by(override, default)
    return terms


def terms_of_loaded(customer: Customer) -> Terms:
    """The terms of a customer whose override is loaded with its profile, supplier and app. One query."""
    default = default_profile()
    override = getattr(customer, "billing_override", None)
    if override is None:
        return Terms(default, resolve([Layer("default profile", profile_values(default))]))
    return _terms_by(override, default)


def terms_under(customer_ids: Collection[uuid.UUID], profile: BillingProfile) -> Mapping[uuid.UUID, Terms]:
    """The terms that these customers would have if they were pinned to `profile`. One query."""
    layer = Layer(f"pin: {profile.name}", profile_values(profile))
    terms = dict.fromkeys(customer_ids, Terms(profile, resolve([layer])))
    for override in CustomerOverride.objects.filter(customer_id__in=customer_ids):
        settings = resolve([Layer("override", override_values(override)), layer])
        terms[override.customer_id] = Terms(profile, settings)
    return terms


def terms_if(
    override: CustomerOverride | None, profile: BillingProfile | None, *, own: Mapping[str, Any] | None = None
) -> Terms:
    """The terms of the customer with this override if they were pinned to `profile` (None: not pinned) and had these
    settings of their `own` (None: those of the override). At most one query."""
    target = profile or default_profile()
    mine = own if own is not None else override_values(override) if override is not None else {}
    origin = f"pin: {target.name}" if profile is not None else "default profile"
    return Terms(target, resolve([Layer("override", mine), Layer(origin, profile_values(target))]))


def profile_values(profile: BillingProfile) -> dict[str, Any]:
    """The workflow fields of a profile; texts that are empty say nothing."""
    return {field: _said(getattr(profile, field)) for field in WORKFLOW_FIELDS}


def override_values(override: CustomerOverride) -> dict[str, Any]:
    """The workflow fields that a customer's override sets."""
    return {field: _said(getattr(override, field, None)) for field in WORKFLOW_FIELDS}


def _terms_by(override: CustomerOverride, default: BillingProfile) -> Terms:
    layers, profile = [Layer("override", override_values(override))], override.billing_profile
    origin = "default profile" if profile is None else f"pin: {profile.name}"
    layers.append(Layer(origin, profile_values(profile or default)))
    return Terms(profile or default, resolve(layers))


def _said(value: Any) -> Any:
    return None if value == "" else value
