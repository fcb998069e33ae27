"""Reads of customers."""

import uuid
from collections import defaultdict
from collections.abc import Collection

from django.db.models import Prefetch, Q, QuerySet

from core.many_ids import among
from core.rest.lookups import find
from customers.attribution import Attribution
from customers.models import BillingProfile, Customer, UsageSubject


def customers_for_display() -> QuerySet[Customer]:
    """All customers, deleted ones too, each with `current_subjects`: its subjects in the order they were added."""
    subjects = Prefetch(
        "usage_subjects", UsageSubject.objects.filter(deleted_at=None).order_by("id"), to_attr="current_subjects"
    )
    return Customer.objects.prefetch_related(subjects)


def find_customer(id_or_key: str) -> Customer:
    """The customer with this id or key; `NotFound` where there is none or it was deleted."""
    return find(Customer.objects.filter(deleted_at=None), id_or_key, what="customer", key="key")


def customers_on(profile: BillingProfile) -> QuerySet[Customer]:
    """The customers, deleted ones aside, that `profile` bills: pinned to it or, where it is the default, not pinned at
    all."""
    theirs = Q(billing_override__billing_profile=profile)
    if profile.is_default:
        theirs |= Q(billing_override__billing_profile__isnull=True)
    return Customer.objects.filter(theirs, deleted_at=None)


def profiles_for_display() -> QuerySet[BillingProfile]:
    """All profiles with their supplier and app, archived and deleted ones too."""
    return BillingProfile.objects.select_related("supplier", "app")


def attributions_of(customer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[Attribution, ...]]:
    """The usage subjects of these customers, given up ones too, with the time of each. One query."""
    found: dict[uuid.UUID, list[Attribution]] = defaultdict(list)
    rows = among(UsageSubject.objects.order_by("id"), "customer_id", customer_ids)
    for customer_id, key, start, end in rows.values_list("customer_id", "key", "active_from", "deleted_at"):
        found[customer_id].append(Attribution(key, start, end))
    return {customer_id: tuple(attributions) for customer_id, attributions in found.items()}


def owners_of(keys: Collection[str]) -> dict[str, list[tuple[Attribution, uuid.UUID]]]:
    """By subject, who has and had it. One query."""
    found: dict[str, list[tuple[Attribution, uuid.UUID]]] = defaultdict(list)
    rows = UsageSubject.objects.filter(key__in=keys).order_by("id")
    for customer_id, key, start, end in rows.values_list("customer_id", "key", "active_from", "deleted_at"):
        found[key].append((Attribution(key, start, end), customer_id))
    return found
