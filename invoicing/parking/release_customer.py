"""Releases a parked customer whose cause is gone: the next run bills what they missed."""

import uuid
from datetime import datetime
from functools import partial

from django.db import transaction

from core import clock
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.batches import is_away
from core.errors import InvalidInput
from core.locks import lock_customers
from invoicing.closing.close import as_cause, compute, late_collected, select_due, store
from invoicing.errors import StillParked, WrongInvoiceState
from invoicing.lifecycle.issue_dates import IssueDates, at_its_date
from invoicing.models import ParkedCustomer


@transaction.atomic
def release_customer(*, parked: ParkedCustomer, reason: str) -> ParkedCustomer:
    """Release `parked`, once a look at what is due finds nothing in the way of billing it any more.

    InvalidInput without a reason; WrongInvoiceState when somebody has released them already; StillParked
    (PreconditionFailed) where a close of now would park them again: they stay parked.
    """
    if not reason.strip():
        raise InvalidInput("Say why the customer is released. Nothing was changed.", code="reason_required")
    lock_customers([parked.customer_id])
    locked = ParkedCustomer.objects.select_for_update(of=("self",)).select_related("customer").get(pk=parked.pk)
    if not locked.is_parked:
        raise WrongInvoiceState(f"{locked.customer} is released already.", code="already_released")
    _look_again(locked)
    locked.released_at = clock.now()
    locked.released_by = current_actor().label
    locked.release_reason = reason
    locked.save(update_fields=["released_at", "released_by", "release_reason"])
    record(
        verb="release_customer",
        target=locked,
        did=f"released {locked.customer}, who was parked: {locked.cause}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return locked


def _look_again(parked: ParkedCustomer) -> None:
    """StillParked where billing all that is due now fails. It is done as a close does it, and undone."""
    now = clock.now()
    try:
        with transaction.atomic():
            at_its_date(partial(_bill, parked.customer_id, now))
            transaction.set_rollback(True)
    except Exception as error:  # whatever a close would park them for; `as_cause` logs what nobody foresaw
        if is_away(error):
            raise
        cause = as_cause(error, parked.customer_id)
        raise StillParked(customer=str(parked.customer), cause=cause.message) from error


def _bill(customer_id: uuid.UUID, now: datetime, dates: IssueDates) -> None:
    computed = compute(
        [customer_id], as_of=now, select=select_due(now), late=late_collected(now), issue_dates=dates
    ).or_refuse()
    store(computed, as_of=now, run_id=None)
