"""What a gateway is asked and answers."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from customers.models import BillingApp
from invoicing.choices import PaymentStatus, RefundStatus

# Failures that are ours, not the customer's: nothing was charged, and no try of the dunning plan is used up.
NOT_SENT = "not_sent"
NOT_AUTHORIZED = "not_authorized"
CANCELED = "canceled"


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
    payment_id: uuid.UUID | None = None
    sent_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """What came of a charge. A decline is an outcome like any other, never an exception (billing rules 11).

    `received` is what the provider says has come in, where it says so; None: what was asked for.
    """

    status: PaymentStatus
    external_id: str | None = None
    failure_code: str = ""
    failure_message: str = ""
    received: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to give back of the charge `external_id`; the key is the same however often it is asked for. `known_as` is
    the provider's id of a refund that is there already: it is asked about, and nothing is given back anew."""

    refund_id: uuid.UUID
    external_id: str
    amount: Decimal
    currency: str
    idempotency_key: str
    known_as: str | None = None


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """What came of a refund."""

    status: RefundStatus
    external_id: str | None = None
    failure_code: str = ""
    failure_message: str = ""


@dataclass(frozen=True, slots=True)
class RefundNews:
    """A refund as the provider tells of it: of the charge `charge_id`; `ours` is our id of it, None where somebody
    made it at the provider. `disputed`: the customer's bank took the money back; it fails where the bank returns it."""

    charge_id: str
    amount: Decimal
    currency: str
    ours: uuid.UUID | None
    outcome: RefundOutcome
    disputed: bool = False


class CheckProblem(StrEnum):
    """Why an app could not collect from a customer."""

    NO_CUSTOMER_ID = "no_customer_id"
    NO_PAYMENT_METHOD = "no_payment_method"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class PaymentMethodCheck:
    """Whether an app can collect from a customer now. `problem` is None when it can; `message` says what is wrong, for
    staff. `currency` is the one that the app binds the customer to, None where it binds them to none.
    `payment_method` is the one that would be charged, where the app has such."""

    problem: CheckProblem | None = None
    message: str = ""
    currency: str | None = None
    payment_method: str | None = None


@dataclass(frozen=True, slots=True)
class KnownAs:
    """A customer as we know them at an app: its id of them, and the payment method to charge (None: their default)."""

    external_id: str | None = None
    payment_method: str | None = None


Check = Callable[[KnownAs], PaymentMethodCheck]


class Gateway(Protocol):
    """`is_local` says that the gateway calls nothing outside, so that it may be used inside a transaction.

    `checking` opens what asks whether the app could collect from a customer, and changes nothing there; threads share
    it. An app that can't be reached is a problem to report, not an exception.
    """

    is_local: bool

    def checking(self, app: BillingApp) -> AbstractContextManager[Check]: ...


class LocalGateway(Gateway, Protocol):
    """Charges at once, inside the transaction that books the outcome."""

    def charge(self, request: ChargeRequest) -> ChargeOutcome: ...


class Connection(Protocol):
    """A provider as one app reaches it. Its methods use no database: threads and callers outside of transactions call
    them. None raises for what the provider answers or fails to answer; an outcome says it."""

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        """Charge once, however often it is called with the same key."""

    def look_up(self, request: ChargeRequest, external_id: str | None) -> ChargeOutcome:
        """What became of a charge. Without its id it is looked for among the customer's; NOT_SENT: it isn't there."""

    def cancel(self, external_id: str) -> ChargeOutcome:
        """See to it that the charge can't succeed any more; SUCCEEDED where it has already."""

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give money back once, however often it is called with the same key."""

    def refunds_of(self, external_id: str) -> list[RefundNews] | None:
        """Every refund of a charge, whoever made it; None where the provider gave no answer."""

    def check_customer(self, external_id: str, payment_method: str | None) -> PaymentMethodCheck:
        """Whether this customer can be charged, by this payment method or else by their default one."""

    def close(self) -> None: ...


class RemoteGateway(Gateway, Protocol):
    """Charges by calls over the network: never inside a transaction."""

    def why_never(self, amount: Decimal, currency: str) -> ChargeOutcome | None:
        """The failure of a charge that is known without asking never to succeed; None where it can be tried."""

    def connect(self, app: BillingApp) -> Connection:
        """Reach the provider as `app` does. A BillingError says what is missing."""
