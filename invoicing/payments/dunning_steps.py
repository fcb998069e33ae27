"""Reads how far the dunning plan of an invoice is: its steps with dates, as the plan was frozen (billing rules 11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from customers.choices import CollectionMethod
from invoicing.choices import OPEN_STATUSES, PaymentStatus
from invoicing.gateways.base import CANCELED
from invoicing.models import Invoice, Payment
from invoicing.payments.dunning import is_customers_failure, plan_of


@dataclass(frozen=True, slots=True)
class DunningStep:
    """One planned try: so many days after the first failure. `attempt` is the charge that was made then, if any."""

    day: int
    at: datetime
    attempt: Payment | None
    is_next: bool


def dunning_steps(invoice: Invoice, payments: Iterable[Payment]) -> list[DunningStep]:
    """The steps after the first failure of the customer's. Reads nothing more.

    While nothing has failed by them, after a charge that waits for their confirmation, or that was cancelled past us;
    none while there is no such charge, either.
    """
    if invoice.collection_method != CollectionMethod.CHARGE_AUTOMATICALLY:
        return []
    charges = sorted((one for one in payments if one.attempt is not None), key=lambda one: one.attempt or 0)
    failed = [charge.created_at for charge in charges if is_customers_failure(charge.status, charge.failure_code)]
    first = min(failed, default=None) or max((one.created_at for one in charges if _is_open(one)), default=None)
    if first is None:
        return []
    times = [(day, first + timedelta(days=day)) for day in plan_of(invoice)]
    ends = [at for _, at in times[1:]] + [None]
    expected = invoice.next_collection_at if invoice.status in OPEN_STATUSES else None
    upcoming = next((at for _, at in times if expected is not None and at >= expected), None)
    return [
        DunningStep(day, at, _made_in(charges, at, end), is_next=upcoming == at)
        for (day, at), end in zip(times, ends, strict=True)
    ]


def _is_open(charge: Payment) -> bool:
    """Whether a next step was planned from the charge itself, though it is no failure of the customer's."""
    cancelled = charge.status == PaymentStatus.FAILED and charge.failure_code == CANCELED
    return charge.status == PaymentStatus.ACTION_REQUIRED or (cancelled and not charge.to_cancel)


def _made_in(charges: Iterable[Payment], start: datetime, end: datetime | None) -> Payment | None:
    found = [charge for charge in charges if charge.created_at >= start and (end is None or charge.created_at < end)]
    return found[0] if found else None
