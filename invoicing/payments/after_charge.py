"""Decides what a charge's outcome makes of its invoice: status, note, next try, notice (billing rules 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from invoicing.choices import InvoiceStatus, PaymentStatus
from invoicing.gateways.base import CANCELED, ChargeOutcome
from invoicing.gateways.never import NEVER_CHARGED, cause_for_staff
from invoicing.payments.dunning import FAILURES_OF_OURS, next_try

_AGAIN_AFTER = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)


class Notice(Enum):
    """What the customer is told. `FAILURE`: the charge failed. `CONFIRM`: they can confirm it with their bank."""

    FAILURE = "failure"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge and what is known of its invoice, which is still open. Times are billing times, UTC.

    `first_failed_at` is when the customer's first charge failed, this one included once it is stored (`dunning`), None
    for none; `days` is the frozen dunning plan. `to_cancel`: staff had it ended for another. `ours_in_a_row` counts the
    latest charges that failed through us, with this one.
    """

    made_at: datetime
    invoice_status: str
    first_failed_at: datetime | None
    days: Sequence[int]
    to_cancel: bool = False
    ours_in_a_row: int = 1


@dataclass(frozen=True, slots=True)
class AfterCharge:
    """The invoice's status, note and next try from now on, and what its customer is told."""

    status: InvoiceStatus
    note: str
    next_try: datetime | None = None
    notice: Notice | None = None


def after_charge(charge: Charge, outcome: ChargeOutcome, *, as_of: datetime) -> AfterCharge:
    """What `outcome`, known at `as_of`, makes of the invoice that `charge` is for; a success pays what was charged.

    An overdue invoice stays so until it is paid.
    """
    if outcome.status == PaymentStatus.SUCCEEDED:
        return AfterCharge(InvoiceStatus.PAID, "")
    after = _unpaid(charge, outcome, as_of)
    if charge.invoice_status == InvoiceStatus.OVERDUE:
        return AfterCharge(InvoiceStatus.OVERDUE, after.note, after.next_try, after.notice)
    return after


def after_part(*, given_back: bool, as_of: datetime) -> AfterCharge:
    """What a charge makes of its invoice that brought in less than is due: the rest is charged at once, unless money
    was given back past us (`given_back`): whoever did so meant it."""
    return AfterCharge(InvoiceStatus.ISSUED, "A part has come in; the rest is due.", None if given_back else as_of)


def pause(times: int) -> timedelta:
    """How long to wait before something failed through us for the `times`-th time is tried again: a minute, twice as
    long each time, six hours at most."""
    return min(_AGAIN_AFTER * (1 << min(times - 1, 12)), _LONGEST_WAIT)


def _unpaid(charge: Charge, outcome: ChargeOutcome, as_of: datetime) -> AfterCharge:
    note = outcome.failure_message
    planned = next_try(charge.days, first_failed_at=charge.first_failed_at or charge.made_at, as_of=as_of)
    if outcome.status == PaymentStatus.ACTION_REQUIRED:
        # Only what is open at a provider can be confirmed. The plan then reminds of it, and charges nothing anew.
        open_there = outcome.external_id is not None
        return AfterCharge(
            InvoiceStatus.PAYMENT_ACTION_REQUIRED,
            note,
            planned if open_there else None,
            Notice.CONFIRM if open_there else Notice.FAILURE,
        )
    if outcome.status != PaymentStatus.FAILED:
        return AfterCharge(InvoiceStatus.PAYMENT_PENDING, note)
    if outcome.failure_code in NEVER_CHARGED:
        # A cause for staff: no try is used up, and the customer is not told that they failed to pay.
        cause = cause_for_staff(outcome.failure_code, note)
        return AfterCharge(InvoiceStatus.PAYMENT_FAILED, cause, as_of if charge.to_cancel else None)
    ours = outcome.failure_code in FAILURES_OF_OURS
    if not (ours or charge.to_cancel):
        # What somebody cancelled at the provider did not fail by the customer: staff see the note, they get no notice.
        notice = None if outcome.failure_code == CANCELED else Notice.FAILURE
        return AfterCharge(InvoiceStatus.PAYMENT_FAILED, note, planned, notice)
    # Not the customer's failure: the invoice is as it was before, and another charge follows outside of the plan.
    status = InvoiceStatus.PAYMENT_FAILED if charge.first_failed_at else InvoiceStatus.ISSUED
    return AfterCharge(status, note, as_of if charge.to_cancel else as_of + pause(charge.ours_in_a_row))
