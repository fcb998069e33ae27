"""Releases a parked customer: the next run bills what they missed."""

from django.db import transaction

from core import clock
from core.audit.actors import current_actor
from core.audit.services.record import record
from core.errors import InvalidInput
from invoicing.errors import WrongInvoiceState
from invoicing.models import ParkedCustomer


@transaction.atomic
def release_customer(*, parked: ParkedCustomer, reason: str) -> ParkedCustomer:
    """Release `parked`. InvalidInput without a reason; WrongInvoiceState when somebody has released them already."""
    if not reason.strip():
        raise InvalidInput("Say why the customer is released. Nothing was changed.", code="reason_required")
    locked = ParkedCustomer.objects.select_for_update(of=("self",)).select_related("customer").get(pk=parked.pk)
    if locked.released_at is not None:
        raise WrongInvoiceState(f"{locked.customer} is released already.", code="already_released")
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
