"""Owns invariant 11: what subscriptions entitle to is what their facts say."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Final

from core.ids import to_text
from customers.models import Customer
from entitlements.access.settle_managed import unsettled
from invoicing.books.examination import CUSTOMERS_AT_ONCE, Examination, Finding, name_customer, piece_by_piece
from subscriptions.lifecycle.entitle import entitled_by_subscriptions

SETTLE: Final = "Run manage.py settle_entitlements, which writes the difference."


def entitlements_follow(exam: Examination) -> Iterator[Finding]:
    """The managed entitlements of everyone who has subscriptions, or had any."""
    customers = Customer.objects.filter(subscriptions__isnull=False).distinct()
    yield from piece_by_piece(exam, customers, CUSTOMERS_AT_ONCE, _of_customers)


def _of_customers(exam: Examination, ids: Sequence[uuid.UUID]) -> Iterator[Finding]:
    wanted = entitled_by_subscriptions(ids)
    names = {row[0]: name_customer(row[1], row[2], row[0]) for row in _named(ids)}
    for customer_id, problems in unsettled(wanted).items():
        for problem in problems:
            yield Finding(f"Customer {names.get(customer_id, to_text(customer_id))}", problem, SETTLE)
    exam.count(len(ids))


def _named(ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, str, str | None]]:
    return list(Customer.objects.filter(pk__in=ids).values_list("pk", "name", "key"))
