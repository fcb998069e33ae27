"""Saying whose usage comes under which subject."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from core import clock
from core.locks import lock_customers
from customers.errors import SubjectTaken
from customers.models import Customer, UsageSubject


@transaction.atomic
def attribute_usage(*, customer: Customer, subjects: Sequence[str]) -> bool:
    """Make `subjects` the customer's, and no others; whether anything changed.

    A subject that is given up keeps its row, closed now: usage until now stays this customer's. One that somebody had
    before is the customer's from then on, a new one with all its usage. Raises `SubjectTaken` where another customer
    has one.
    """
    lock_customers([customer.pk])
    current = {row.key: row for row in customer.usage_subjects.filter(deleted_at=None)}
    given_up = [row.pk for key, row in current.items() if key not in subjects]
    added = [key for key in subjects if key not in current]
    if given_up:
        UsageSubject.objects.filter(pk__in=given_up).update(deleted_at=clock.now())
    taken = UsageSubject.objects.filter(key__in=added, deleted_at=None).exclude(customer=customer).first()
    if taken:
        raise _taken(taken.key)
    try:
        with transaction.atomic():
            given_up_at = _given_up_at(added)
            UsageSubject.objects.bulk_create(
                UsageSubject(customer=customer, key=key, active_from=given_up_at.get(key)) for key in added
            )
    except IntegrityError as error:  # taken in the same moment
        raise _taken(added[0] if len(added) == 1 else "one of them") from error
    return bool(given_up or added)


def forget_attribution(*, customer: Customer) -> None:
    """Forget the subjects that the customer has given up, as if they had never been theirs.

    For a customer who never subscribed to anything, nor was entitled to any usage: whoever gets such a subject next
    gets its usage, too.
    """
    customer.usage_subjects.filter(deleted_at__isnull=False).delete()


def _given_up_at(keys: Sequence[str]) -> dict[str, datetime]:
    """When the last owner of each of these subjects gave it up; nothing of those that never had one."""
    rows = UsageSubject.objects.filter(key__in=keys, deleted_at__isnull=False).order_by().values_list("key")
    return dict(rows.annotate(at=Max("deleted_at")))


def _taken(subject: str) -> SubjectTaken:
    return SubjectTaken(
        f"The subject {subject} belongs to another customer. Nothing was saved. Remove it there first, or use another."
    )
