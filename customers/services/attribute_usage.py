"""Saying whose usage comes under which subject."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from core import clock
from customers.errors import SubjectTaken
from customers.models import Customer, UsageSubject


@transaction.atomic
def attribute_usage(*, customer: Customer, subjects: Sequence[str]) -> bool:
    """Make `subjects` the customer's, and no others; whether anything changed.

    A subject that is given up keeps its row, closed now. Raises `SubjectTaken` where another customer has one.
    """
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
            UsageSubject.objects.bulk_create(UsageSubject(customer=customer, key=key) for key in added)
    except IntegrityError as error:  # taken in the same moment
        raise _taken(added[0] if len(added) == 1 else "one of them") from error
    return bool(given_up or added)


def _taken(subject: str) -> SubjectTaken:
    return SubjectTaken(
        f"The subject {subject} belongs to another customer. Nothing was saved. Remove it there first, or use another."
    )
