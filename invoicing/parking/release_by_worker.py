"""Releases by a worker those with whom workers were lost: the look at what is due might take the web server down, too.

What is asked for is in the row (`release_asked`), and so is what came of it (`release_said`). A worker that dies of it
leaves its lease to run out, and another one tries; after two of them the customer stays parked. One to whom the
database went away lives, and says so: the release is tried again, behind those that did not fail, and not for ever.
"""

import logging
import uuid
from dataclasses import asdict

from django.db import transaction
from django.db.models import F

from core import clock
from core.audit.actors import Actor, acting_as, current_actor
from core.audit.services.record import record
from core.errors import BillingError, InvalidInput
from core.ids import new_id, to_text
from core.leases import AWAY_ALONE, LOST_ALONE, kept_alive, lease_end, say_that_it_lives, unleased
from invoicing.closing.close import as_cause
from invoicing.errors import WorkersLost, WrongInvoiceState
from invoicing.models import ParkedCustomer
from invoicing.parking.release_customer import release_customer

logger = logging.getLogger(__name__)


def needs_worker(parked: ParkedCustomer) -> bool:
    """Whether a release is a worker's work, because workers were lost with this customer."""
    return parked.cause_code == WorkersLost.default_code


@transaction.atomic
def ask_for_release(*, parked: ParkedCustomer, reason: str) -> ParkedCustomer:
    """Have a worker release `parked`, in the name of who asks, as `release_customer` does.

    InvalidInput without a reason; WrongInvoiceState when they are released already, or a worker is at it.
    """
    if not reason.strip():
        raise InvalidInput("Say why the customer is released. Nothing was changed.", code="reason_required")
    locked = ParkedCustomer.objects.select_for_update(of=("self",)).select_related("customer").get(pk=parked.pk)
    if locked.released_at is not None:
        raise WrongInvoiceState(f"{locked.customer} is released already.", code="already_released")
    if locked.release_asked_at is not None:
        raise WrongInvoiceState(f"A worker is about to release {locked.customer} already.", code="already_asked")
    locked.release_asked = {"actor": asdict(current_actor()), "reason": reason}
    locked.release_asked_at, locked.release_said = clock.now(), ""
    locked.release_tries, locked.release_failed = 0, 0
    locked.save(update_fields=["release_asked", "release_asked_at", "release_tries", "release_failed", "release_said"])
    record(
        verb="ask_release",
        target=locked,
        did=f"asked a worker to release {locked.customer}, who was parked: {locked.cause}",
        reason=reason,
        customer_id=locked.customer_id,
    )
    return locked


def work_next_release() -> bool:
    """Try one release that was asked for and nobody is at; False when there is none. One that comes to an error other
    than a cause to stay parked is tried again later, and keeps nobody from theirs."""
    asked = ParkedCustomer.objects.still_parked().filter(unleased(), release_asked_at__isnull=False)
    passed: list[uuid.UUID] = []
    while parked := asked.exclude(pk__in=passed).order_by("release_failed", "release_asked_at", "id").first():
        passed.append(parked.pk)
        token = new_id()
        if not asked.filter(pk=parked.pk).update(
            lease_until=lease_end(), lease_token=token, release_tries=F("release_tries") + 1
        ):
            continue
        parked.refresh_from_db()
        with acting_as(Actor(**parked.release_asked["actor"])):
            if _is_answered(parked, token):
                return True
    return False


def _is_answered(parked: ParkedCustomer, token: uuid.UUID) -> bool:
    """Whether the release, which this worker took, came to an end: they are released, or stay parked."""
    mine = ParkedCustomer.objects.filter(pk=parked.pk, lease_token=token)
    if parked.release_tries > LOST_ALONE:
        _stays(parked, token, WorkersLost(workers=LOST_ALONE))
        return True
    try:
        with kept_alive(lambda: mine.update(lease_until=lease_end())):
            release_customer(parked=parked, reason=parked.release_asked["reason"])
    except BillingError as error:
        _stays(parked, token, error)
    except Exception as error:  # the database is away, say: this worker lives, and is none of those that were lost
        logger.exception("the release of customer %s failed", to_text(parked.customer_id))
        lived = {"release_tries": F("release_tries") - 1, "release_failed": F("release_failed") + 1}
        if parked.release_failed + 1 < AWAY_ALONE:
            say_that_it_lives(lambda: mine.update(lease_until=None, lease_token=None, **lived))
            return False
        cause = as_cause(error, parked.customer_id)
        say_that_it_lives(lambda: _stays(parked, token, cause))
    else:
        mine.update(lease_until=None, lease_token=None, release_asked_at=None)
    return True


@transaction.atomic
def _stays(parked: ParkedCustomer, token: uuid.UUID, error: BillingError) -> None:
    """Keep why they stay parked, for the page and for the trail."""
    mine = ParkedCustomer.objects.filter(pk=parked.pk, lease_token=token)
    if mine.update(lease_until=None, lease_token=None, release_asked_at=None, release_said=error.message):
        record(
            verb="release_refused",
            target=parked,
            did=f"could not release {parked.customer}: {error.message}",
            customer_id=parked.customer_id,
        )
