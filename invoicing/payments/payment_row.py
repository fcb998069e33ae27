"""Turns the outcome of a charge that was made at once into the row of its payment, ready for COPY."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.ids import new_id
from core.money import ZERO
from invoicing.choices import PaymentStatus
from invoicing.gateways import ChargeOutcome


def payment_row(
    *,
    invoice_id: uuid.UUID,
    app_id: uuid.UUID,
    amount: Decimal,
    currency: str,
    attempt: int,
    outcome: ChargeOutcome,
    as_of: datetime,
) -> dict[str, Any]:
    """The columns of the `attempt`-th charge of an invoice, made at `as_of`."""
    return {
        "id": new_id(),
        "created_at": as_of,
        "updated_at": as_of,
        "invoice_id": invoice_id,
        "app_id": app_id,
        "amount": amount,
        "currency": currency,
        "status": outcome.status.value,
        "attempt": attempt,
        "external_id": outcome.external_id,
        "failure_code": outcome.failure_code,
        "failure_message": outcome.failure_message,
        "customer_at_app": "",
        "reference": "",
        "received_at": as_of if outcome.status == PaymentStatus.SUCCEEDED else None,
        "to_balance": ZERO,
        "sent_at": None,
        "provider_state_at": None,
        "next_check_at": None,
        "checks": 0,
        "to_cancel": False,
    }
