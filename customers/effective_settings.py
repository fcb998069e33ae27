"""Owns which setting wins for a customer, and loads what decides it: overrides, pins and the default profile."""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.errors import PreconditionFailed
from core.many_ids import among
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.settings_layers import WORKFLOW_FIELDS, EffectiveSettings, Layer, resolve


@dataclass(frozen=True, slots=True)
class Terms:
    """How one customer is billed now: the profile, its supplier and app loaded, and every field with its origin."""

    profile: BillingProfile
    settings: EffectiveSettings


@dataclass(frozen=True, slots=True)
class Sources:
    """Who may say something about one customer's terms. At least one of `pinned` and `default` is given."""

    own: Mapping[str, Any] | None = None
    pinned: BillingProfile | None = None
    default: BillingProfile | None = None

    @property
    def profile(self) -> BillingProfile:
        """The profile that bills the customer: the pinned one, or else the default."""
        profile = self.pinned or self.default
        assert profile is not None
        return profile


def _own(sources: Sources) -> Layer | None:
    return None if sources.own is None else Layer("override", sources.own)


def _profile(sources: Sources) -> Layer:
    """A profile is whole: where the pinned one is silent, the default doesn't speak for it."""
    origin = "default profile" if sources.pinned is None else f"pin: {sources.pinned.name}"
    return Layer(origin, profile_values(sources.profile))


# Strongest first (billing rules 5). Contracts, once they exist, come before all others.
LAYERS: tuple[Callable[[Sources], Layer | None], ...] = (_own, _profile)


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
    terms = dict.fromkeys(customer_ids, resolve_terms(Sources(default=default)))
    overrides = CustomerOverride.objects.select_related("billing_profile__supplier", "billing_profile__app")
    for override in among(overrides, "customer_id", customer_ids):
        terms[override.customer_id] = resolve_terms(_sources(override, default))
    return terms


def terms_of_loaded(customer: Customer) -> Terms:
    """The terms of a customer whose override is loaded with its profile, supplier and app. One query."""
    return resolve_terms(_sources(getattr(customer, "billing_override", None), default_profile()))


def terms_under(customer_ids: Collection[uuid.UUID], profile: BillingProfile) -> Mapping[uuid.UUID, Terms]:
    """The terms that these customers would have if they were pinned to `profile`. One query."""
    terms = dict.fromkeys(customer_ids, resolve_terms(Sources(pinned=profile)))
    for override in CustomerOverride.objects.filter(customer_id__in=customer_ids):
        terms[override.customer_id] = resolve_terms(Sources(own=override_values(override), pinned=profile))
    return terms


def terms_if(
    override: CustomerOverride | None, profile: BillingProfile | None, *, own: Mapping[str, Any] | None = None
) -> Terms:
    """The terms of the customer with this override if they were pinned to `profile` (None: not pinned) and had these
    settings of their `own` (None: those of the override). At most one query."""
    mine = own if own is not None else override_values(override) if override is not None else None
    return resolve_terms(Sources(own=mine, pinned=profile, default=None if profile else default_profile()))


def resolve_terms(sources: Sources) -> Terms:
    """The terms that come of these sources: the one place where `LAYERS` are laid over each other."""
    found = (layer(sources) for layer in LAYERS)
    return Terms(sources.profile, resolve([layer for layer in found if layer is not None]))


def profile_values(profile: BillingProfile) -> dict[str, Any]:
    """The workflow fields of a profile; texts that are empty say nothing."""
    return {field: _said(getattr(profile, field)) for field in WORKFLOW_FIELDS}


def override_values(override: CustomerOverride) -> dict[str, Any]:
    """The workflow fields that a customer's override sets."""
    return {field: _said(getattr(override, field, None)) for field in WORKFLOW_FIELDS}


def _sources(override: CustomerOverride | None, default: BillingProfile) -> Sources:
    """What speaks for a customer with this override, its profile loaded; None: they have none."""
    if override is None:
        return Sources(default=default)
    return Sources(own=override_values(override), pinned=override.billing_profile, default=default)


def _said(value: Any) -> Any:
    return None if value == "" else value


def spending_threshold(terms: Terms) -> tuple[Decimal, str] | None:
    """What a customer's unbilled usage is to reach, net, so that it is billed, and in which currency (billing rules 7);
    None where they are not billed so."""
    values = terms.settings.values
    amount, currency = values["progressive_threshold"], values["progressive_threshold_currency"]
    return (amount, currency) if values["progressive_billing"] and amount is not None and currency else None


def anyone_spends_to_a_threshold() -> bool:
    """Whether any profile or customer names such a threshold. Two queries at most."""
    profiles = BillingProfile.objects.filter(progressive_threshold__isnull=False)
    return profiles.exists() or CustomerOverride.objects.filter(progressive_threshold__isnull=False).exists()
