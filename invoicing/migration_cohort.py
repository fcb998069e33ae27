"""Whom a profile migration is about."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from core.ids import from_text
from customers.models import Customer
from customers.selectors import customers_on
from invoicing.models import ProfileMigration


def customers_matching(customers: QuerySet[Customer], criteria: Mapping[str, Any]) -> QuerySet[Customer]:
    """Those of `customers` that all of the criteria fit: `customerId` and `currency` list alternatives, the texts
    `customerName`, `customerKey` and `customerPrimaryEmail` match in part, whatever their case."""
    if "customerId" in criteria:
        customers = customers.filter(pk__in=[from_text(text) for text in criteria["customerId"]])
    if "currency" in criteria:
        customers = customers.filter(currency__in=criteria["currency"])
    for name, column in (("customerName", "name"), ("customerKey", "key"), ("customerPrimaryEmail", "primary_email")):
        if criteria.get(name):
            customers = customers.filter(**{f"{column}__icontains": criteria[name]})
    return customers


def cohort_of(migration: ProfileMigration) -> QuerySet[Customer]:
    """The living customers of the source profile that the criteria fit, and those that they name one by one: who of
    these is billed by another profile shows as blocked."""
    theirs = customers_on(migration.from_profile)
    if "customerId" in migration.criteria:
        named = Q(pk__in=[from_text(text) for text in migration.criteria["customerId"]])
        theirs = Customer.objects.filter(named, deleted_at=None)
    return customers_matching(theirs, migration.criteria)


def unpinned_customers() -> QuerySet[Customer]:
    """Who follows the default profile, whichever that is."""
    return Customer.objects.filter(deleted_at=None, billing_override__billing_profile__isnull=True)
