"""How far a change of a billing profile reaches, and who is pinned to it since when: reads for the profile's pages."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from core.audit.models import AuditEntry
from customers.models import BillingProfile, Customer, CustomerOverride
from customers.selectors import customers_on
from customers.settings_words import SETTING_LABELS
from invoicing.choices import UNISSUED_STATUSES
from invoicing.models import Invoice

_PINNING = ("customer.pinned", "customer.moved", "customer.taken_back")
_NOT_TEXT = {"collection_anchor", "auto_advance", "progressive_billing", "progressive_threshold", "tax_enabled"}
_NOT_TEXT |= {"tax_enforced", "dunning_days", "uncollectible_after_dunning"}


@dataclass(frozen=True, slots=True)
class Reach:
    """How many customers a profile bills, and how many of them have their own value of each field."""

    customers: int
    overriding: dict[str, int]

    def following(self, field: str) -> int:
        return self.customers - self.overriding.get(field, 0)


@dataclass(frozen=True, slots=True)
class Pinned:
    """When a customer was pinned where they are, by whom and why."""

    at: datetime
    by: str
    reason: str


def reach_of(profile: BillingProfile, fields: Iterable[str]) -> Reach:
    """Whom a change of these fields reaches. Two queries."""
    wanted = [name for name in fields if name in SETTING_LABELS]
    theirs = customers_on(profile)
    own = CustomerOverride.objects.filter(customer__in=theirs)
    counts = {
        name: Count("pk", filter=Q(**{f"{name}__isnull": False}) & (Q() if name in _NOT_TEXT else ~Q(**{name: ""})))
        for name in wanted
    }
    return Reach(theirs.count(), own.aggregate(**counts) if counts else {})


def open_drafts(profile: BillingProfile) -> QuerySet[Invoice]:
    """The drafts that were made with the profile: they keep its old terms, supplier and customer."""
    drafts = Invoice.objects.filter(profile=profile, status__in=UNISSUED_STATUSES)
    return drafts.select_related("customer").order_by("-created_at")


def pinned_customers(profile: BillingProfile, *, without_pin: bool = False) -> QuerySet[Customer]:
    """The customers, deleted ones aside, pinned to the profile or, asked so of the default, those who follow it without
    a pin."""
    living = Customer.objects.filter(deleted_at=None).select_related("billing_override")
    if without_pin:
        living = living.filter(billing_override__billing_profile__isnull=True)
        return (living if profile.is_default else living.none()).order_by("name", "id")
    return living.filter(billing_override__billing_profile=profile).order_by("name", "id")


def pinned_since(customer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Pinned]:
    """The latest act that pinned each of these customers, where the audit trail knows one. One query."""
    acts = AuditEntry.objects.filter(customer_id__in=customer_ids, verb__in=_PINNING)
    latest = acts.order_by("customer_id", "-at", "-id").distinct("customer_id")
    rows = latest.values_list("customer_id", "at", "actor_label", "reason")
    return {customer_id: Pinned(at, by, reason) for customer_id, at, by, reason in rows if customer_id is not None}
