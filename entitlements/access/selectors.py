"""Reads of entitlements and grants."""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import F, Prefetch, Q, QuerySet

from core.ids import from_text
from core.rest.lookups import MAX_KEY_LENGTH, find, missing
from customers.models import Customer, UsageSubject
from entitlements.models import Entitlement, Grant


def entitlements_with_facts() -> QuerySet[Entitlement]:
    """All entitlements with their features, meters, customers, grants and resets."""
    return Entitlement.objects.select_related("feature__meter", "customer").prefetch_related("grants", "resets")


def entitlements_for_display() -> QuerySet[Entitlement]:
    """All entitlements as they are shown: with their resets, and customers with `current_subjects` and with
    `managed_entitlements`, which others may continue."""
    subjects = Prefetch(
        "customer__usage_subjects",
        UsageSubject.objects.filter(deleted_at=None).order_by("id"),
        to_attr="current_subjects",
    )
    return Entitlement.objects.select_related("customer").prefetch_related("resets", subjects, with_managed())


def with_managed() -> "Prefetch[Any]":
    """Loads the `managed_entitlements` of customers, with their resets."""
    managed = Entitlement.objects.filter(managed_in__isnull=False).prefetch_related("resets")
    return Prefetch("customer__entitlements", managed, to_attr="managed_entitlements")


def grants_for_display() -> QuerySet[Grant]:
    """All grants, voided ones too, with their entitlements."""
    return Grant.objects.select_related("entitlement")


def active_at(moment: datetime) -> Q:
    """The condition for entitlements that are active at `moment`."""
    return Q(active_from__lte=moment) & (Q(active_to=None) | Q(active_to__gt=moment))


def ever_active() -> Q:
    """The condition that leaves out what was deleted before it began."""
    return Q(active_to=None) | Q(active_to__gt=F("active_from"))


def find_entitlement(
    entitlements: QuerySet[Entitlement], customer: Customer, id_or_feature_key: str, moment: datetime
) -> Entitlement:
    """The customer's entitlement with this id, or the one to the feature with this key that is active at `moment`;
    `NotFound` where there is none."""
    theirs = entitlements.filter(customer=customer)
    if from_text(id_or_feature_key) is not None:
        return find(theirs, id_or_feature_key, what="entitlement")
    if "\x00" not in id_or_feature_key and len(id_or_feature_key) <= MAX_KEY_LENGTH:
        found = theirs.filter(active_at(moment), feature_key=id_or_feature_key).first()
        if found is not None:
            return found
    raise missing("entitlement", id_or_feature_key)


def locked_entitlement(entitlement_id: uuid.UUID) -> Entitlement:
    """The entitlement with its facts, which nobody else changes until the transaction ends."""
    Entitlement.objects.select_for_update(no_key=True).get(pk=entitlement_id)
    return entitlements_with_facts().get(pk=entitlement_id)
