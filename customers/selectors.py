"""Reads of customers."""

from django.db.models import Prefetch, QuerySet

from core.rest.lookups import find
from customers.models import Customer, UsageSubject


def customers_for_display() -> QuerySet[Customer]:
    """All customers, deleted ones too, each with `living_subjects`: its subjects in the order they were added."""
    subjects = Prefetch(
        "usage_subjects", UsageSubject.objects.filter(deleted_at=None).order_by("id"), to_attr="living_subjects"
    )
    return Customer.objects.prefetch_related(subjects)


def living_customer(id_or_key: str) -> Customer:
    """The customer with this id or key; `NotFound` where there is none or it was deleted."""
    return find(Customer.objects.filter(deleted_at=None), id_or_key, what="customer", key="key")
