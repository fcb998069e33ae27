"""What a gateway is asked and answers."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from invoicing.choices import PaymentStatus


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One automatic charge. `idempotency_key` is the same whenever the same attempt is repeated."""

    invoice_id: uuid.UUID
    customer_id: uuid.UUID
    app_id: uuid.UUID
    amount: Decimal
    currency: str
    idempotency_key: str
    external_customer_id: str | None
    customer_data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """What came of a charge. A decline is an outcome like any other, never an exception (billing rules 11)."""

    status: PaymentStatus
    external_id: str | None = None
    failure_code: str = ""
    failure_message: str = ""


class Gateway(Protocol):
    """`is_local` says that charging calls nothing outside, so that it may happen inside a transaction."""

    is_local: bool

    def charge(self, request: ChargeRequest) -> ChargeOutcome: ...
