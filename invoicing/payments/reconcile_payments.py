"""Asks providers what became of charges that nobody knows the end of: crashes, time-outs, lost webhooks."""

import math
import time
import uuid
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from core import clock
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, PaymentStatus
from invoicing.gateways import REMOTE_GATEWAYS, ChargeOutcome
from invoicing.gateways.base import NOT_SENT, Connection
from invoicing.models import Payment
from invoicing.payments.collect_remotely import Started, book_each, call, data_at_apps, request_of

BATCH_SIZE = 32
# A request that was about to leave may still be on its way; after this it has arrived or never will.
ARRIVED_AFTER = timedelta(minutes=15)
_LEASE = timedelta(minutes=3)


def reconcile_payments(*, as_of: datetime, seconds: float = math.inf) -> int:
    """Ask about every charge whose check is due (in real time) and book the answers; returns how many were asked. After
    `seconds` it ends with the batch that is under way, and leaves the rest.

    Safe in many workers at once. Call it outside of a transaction; inside one it does nothing.
    """
    if connection.in_atomic_block:
        return 0
    ends_at = time.monotonic() + seconds
    asked = 0
    while checks := _take():
        unwanted = {check.payment_id for check, ends in checks if ends}
        asked_about = [check for check, _ in checks]
        outcomes = call(asked_about, partial(_ask, unwanted))
        book_each(asked_about, [_trusted(*pair) for pair in zip(asked_about, outcomes, strict=True)], as_of=as_of)
        asked += len(checks)
        if time.monotonic() > ends_at:
            break
    return asked


@transaction.atomic
def _take() -> list[tuple[Started, bool]]:
    """Some charges to ask about, each with whether it is to be ended; nobody else takes them for a while."""
    now = clock.real_now()
    due = list(
        Payment.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("invoice", "app")
        .filter(
            next_check_at__lte=now,
            app__type__in=REMOTE_GATEWAYS,
            app__stripe_account__isnull=False,
            status__in=(*IN_FLIGHT, PaymentStatus.ACTION_REQUIRED),
        )
        .order_by("next_check_at", "id")[:BATCH_SIZE]
    )
    known = data_at_apps([payment.invoice for payment in due])
    checks = []
    for payment in due:
        payment.checks += 1
        payment.next_check_at = now + _LEASE
        payment.save(update_fields=["checks", "next_check_at", "updated_at"])
        invoice = payment.invoice
        request = request_of(payment, invoice, known.get((invoice.customer_id, payment.app_id)))
        unwanted = payment.to_cancel or invoice.status not in OPEN_STATUSES
        ends = unwanted and payment.status == PaymentStatus.ACTION_REQUIRED and payment.external_id is not None
        checks.append((Started(payment.pk, payment.app, request, payment.external_id), ends))
    return checks


def _ask(unwanted: set[uuid.UUID], link: Connection, check: Started) -> ChargeOutcome:
    if check.payment_id in unwanted and check.external_id is not None:
        return link.cancel(check.external_id)
    return link.look_up(check.request, check.external_id)


def _trusted(check: Started, outcome: ChargeOutcome) -> ChargeOutcome:
    """A charge that isn't there may not have arrived yet: until it must have, its outcome is unknown."""
    sent_at = check.request.sent_at
    if outcome.failure_code == NOT_SENT and sent_at is not None and clock.real_now() - sent_at < ARRIVED_AFTER:
        return ChargeOutcome(PaymentStatus.UNKNOWN, None, "no_answer", "Nobody knows yet whether the charge arrived.")
    return outcome
