"""Whom a profile migration is about."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, When

from core.ids import from_text
from customers.models import Customer
from customers.selectors import customers_on
from invoicing.choices import NO_DOCUMENTS
from invoicing.models import Invoice, MigrationItem, ProfileMigration


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
    """The customers, deleted ones aside, of the source profile that the criteria fit, and those that they name one by
    one: who of these is billed by another profile shows as blocked."""
    theirs = customers_on(migration.from_profile)
    if "customerId" in migration.criteria:
        named = Q(pk__in=[from_text(text) for text in migration.criteria["customerId"]])
        theirs = Customer.objects.filter(named, deleted_at=None)
    return customers_matching(theirs, migration.criteria)


def unpinned_customers() -> QuerySet[Customer]:
    """Who follows the default profile, whichever that is."""
    return Customer.objects.filter(deleted_at=None, billing_override__billing_profile__isnull=True)


def with_way_back(items: QuerySet[MigrationItem]) -> QuerySet[MigrationItem]:
    """Adds what decides whether a moved customer can be taken back (billing rules 5): `billed_since`, their next
    invoice under the target, and its number (`billed_since_as`, none for a draft); and `is_still_there`, whether they
    still are pinned to the target."""
    since = (
        Invoice.objects.filter(
            customer=OuterRef("customer"),
            profile=OuterRef("migration__to_profile"),
            created_at__gte=OuterRef("moved_at"),
        )
        .exclude(status__in=NO_DOCUMENTS)
        .order_by("created_at")
    )
    there = Q(customer__billing_override__billing_profile=F("migration__to_profile"))
    return items.annotate(
        billed_since=Subquery(since.values("pk")[:1]),
        billed_since_as=Subquery(since.values("number")[:1]),
        is_still_there=Case(When(there, then=True), default=False),
    )
