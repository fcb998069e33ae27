"""Shows what customers will be billed up to a time, by doing it in a transaction that is rolled back."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction

from core import clock
from core.errors import field_error
from core.locks import lock_customers
from core.many_ids import among
from invoicing.lifecycle.numbering import uncounted
from invoicing.models import BillingDue
from invoicing.previews.fall_due import charge, close_due, move_drafts_on, parked_among
from invoicing.previews.outlook import Outlook
from invoicing.previews.preview_change import LookAhead
from invoicing.previews.read_outlook import Reached, known_of, read_outlooks

FURTHEST = timedelta(days=400)


def refuse_far(until: datetime) -> None:
    """InvalidInput for a preview that reaches further ahead than `FURTHEST`."""
    if until > clock.now() + FURTHEST:
        raise field_error("until", "too_far_away", f"A preview reaches {FURTHEST.days} days ahead at most.")


def preview_customer(*, customer_id: uuid.UUID, until: datetime) -> Outlook:
    """All documents and balance movements that follow for this customer up to `until`: closes and the steps of drafts,
    each at its time, with the usage known so far. Where `until` is not to come, what a close up to `until` and the
    steps of drafts would make now. Where billing stops, and from the start of a parked customer, the `problem` is said.

    A fixed number of queries for each close; InvalidInput for a time too far ahead.
    """
    refuse_far(until)
    if until <= clock.now():
        return _due_by([customer_id], until)[customer_id]
    with _rolled_back([customer_id]):
        return LookAhead.begin(customer_id).until(until)


def preview_customers(*, customer_ids: Sequence[uuid.UUID], until: datetime) -> dict[uuid.UUID, Outlook]:
    """`preview_customer` for each of these. Where `until` is not to come, all together, with a fixed number of queries
    for all of them, which holds their locks meanwhile; else one after another, each in a transaction of its own."""
    refuse_far(until)
    if until <= clock.now():
        return _due_by(customer_ids, until)
    return {customer_id: preview_customer(customer_id=customer_id, until=until) for customer_id in customer_ids}


def preview_next_bill(*, customer_id: uuid.UUID) -> Outlook:
    """All that follows up to the customer's next close, until what is drafted by then is issued."""
    with _rolled_back([customer_id]):
        return LookAhead.begin(customer_id).next_bill()


def _due_by(customer_ids: Sequence[uuid.UUID], until: datetime) -> dict[uuid.UUID, Outlook]:
    """What is due by `until`, now or before, done now for all at once: one close and the steps of drafts."""
    if not customer_ids:
        return {}
    with _rolled_back(customer_ids):
        known = known_of(customer_ids)
        reached = {customer_id: Reached(until) for customer_id in customer_ids}
        due = among(BillingDue.objects.filter(due_at__lte=until).order_by(), "customer_id", customer_ids)
        parked = parked_among(customer_ids)
        closing = set(due.values_list("customer_id", flat=True)) - parked.keys()
        with clock.frozen_at(known.now):
            failed = close_due([each for each in customer_ids if each in closing], as_of=until)
            move_drafts_on(customer_ids, as_of=until)
            charge(customer_ids, until=until)
        for customer_id, problem in (parked | failed).items():
            reached[customer_id].stop(problem)
        return read_outlooks(known, reached)


@contextmanager
def _rolled_back(customer_ids: Sequence[uuid.UUID]) -> Iterator[None]:
    """A transaction behind the customers' locks that leaves nothing behind."""
    with transaction.atomic(), uncounted():
        lock_customers(customer_ids)
        yield
        transaction.set_rollback(True)
