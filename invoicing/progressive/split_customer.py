"""Bills what a customer has used in running periods up to a moment, in one currency (billing rules 7)."""

import uuid
from datetime import datetime
from decimal import Decimal

from core.money import ZERO
from invoicing.closing.close import returns_none
from invoicing.closing.close_customers import bill_customer
from invoicing.progressive.split_periods import split_periods


def split_customer(
    customer_id: uuid.UUID, currency: str, as_of: datetime, *, at_least: Decimal = ZERO
) -> list[uuid.UUID]:
    """Split the customer's running usage in `currency` at `as_of` (UTC) and bill the parts, if they come to `at_least`
    so much net, before credits and tax. Returns the invoices; none where there is nothing to split, also where it was
    split at that moment or later.

    In the caller's transaction, which holds the customer's lock, and who collects the invoices after it. CustomerParked
    (PreconditionFailed) where the customer is parked, CannotBill where they can't be billed: nothing is to be kept.
    """
    split = split_periods(customer_id, as_of=as_of, currency=currency, is_chosen=False, at_least=at_least)
    if not split.parts:
        return []
    made = bill_customer(customer_id, as_of=as_of, select=split.takes, give_back=returns_none).invoices
    return [document.id for document in made]
