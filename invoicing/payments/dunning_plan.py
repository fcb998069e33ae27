"""Reads how far the dunning plan of an invoice is: its steps with dates, as the plan was frozen (billing rules 11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from customers.choices import CollectionMethod
from invoicing.choices import OPEN_STATUSES, PaymentStatus
from invoicing.models import Invoice, Payment
from invoicing.payments.gateways.base import CANCELED, NOT_AUTHORIZED, NOT_SENT
from invoicing.payments.gateways.never import NEVER_CHARGED


@dataclass(frozen=True, slots=True)
class DunningStep:
    """One planned try: so many days after the first failure. `attempt` is the charge that was made then, if any."""

    day: int
    at: datetime
    attempt: Payment | None
    is_next: bool


def dunning_steps(invoice: Invoice, payments: Iterable[Payment]) -> list[DunningStep]:
    """The steps after the first failure of the customer's, none while there is no failure. Reads nothing more.

    Failures of ours (nothing was sent, the key was refused), charges that could never succeed, and those that staff
    ended start no plan.
    """
    if invoice.collection_method != CollectionMethod.CHARGE_AUTOMATICALLY:
        return []
    charges = sorted((one for one in payments if one.attempt is not None), key=lambda one: one.attempt or 0)
    first = next((charge.created_at for charge in charges if _starts_plan(charge)), None)
    days = invoice.workflow_snapshot.get("values", {}).get("dunning_days") or []
    if first is None:
        return []
    times = [(day, first + timedelta(days=day)) for day in days]
    ends = [at for _, at in times[1:]] + [None]
    expected = invoice.next_collection_at if invoice.status in OPEN_STATUSES else None
    upcoming = next((at for _, at in times if expected is not None and at >= expected), None)
    return [
        DunningStep(day, at, _made_in(charges, at, end), is_next=upcoming == at)
        for (day, at), end in zip(times, ends, strict=True)
    ]


def _starts_plan(charge: Payment) -> bool:
    if charge.status == PaymentStatus.ACTION_REQUIRED:
        return True
    theirs = charge.failure_code not in (NOT_SENT, NOT_AUTHORIZED, *NEVER_CHARGED)
    ended = charge.failure_code == CANCELED and charge.to_cancel
    return charge.status == PaymentStatus.FAILED and theirs and not ended


def _made_in(charges: Iterable[Payment], start: datetime, end: datetime | None) -> Payment | None:
    found = [charge for charge in charges if charge.created_at >= start and (end is None or charge.created_at < end)]
    return found[0] if found else None
