"""What a gateway is asked and answers."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from customers.models import BillingApp
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


class CheckProblem(StrEnum):
    """Why an app could not collect from a customer."""

    NO_CUSTOMER_ID = "no_customer_id"
    NO_PAYMENT_METHOD = "no_payment_method"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class PaymentMethodCheck:
    """Whether an app can collect from a customer now. `problem` is None when it can; `message` says what is wrong, for
    staff. `currency` is the one that the app binds the customer to, None where it binds them to none."""

    problem: CheckProblem | None = None
    message: str = ""
    currency: str | None = None


class Gateway(Protocol):
    """`is_local` says that the gateway calls nothing outside, so that it may be used inside a transaction.

    `check_customer` asks whether the app could collect from the customer that it knows as `external_id`, and changes
    nothing there. An app that can't be reached is a problem to report, not an exception.
    """

    is_local: bool

    def charge(self, request: ChargeRequest) -> ChargeOutcome: ...

    def check_customer(self, app: BillingApp, external_id: str | None) -> PaymentMethodCheck: ...
