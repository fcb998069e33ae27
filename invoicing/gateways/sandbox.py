"""The sandbox: pays at once, unless the customer's sandbox data ask for another outcome."""

from collections.abc import Iterator
from contextlib import contextmanager

from customers.models import BillingApp
from invoicing.choices import PaymentStatus
from invoicing.gateways.base import ChargeOutcome, ChargeRequest, Check, PaymentMethodCheck


class SandboxGateway:
    """`{"outcome": "decline"}` in the customer's data at the app declines, `"action_required"` asks for action."""

    is_local = True

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        wanted = request.customer_data.get("outcome", "succeed")
        if wanted == "decline":
            return ChargeOutcome(
                PaymentStatus.FAILED, failure_code="card_declined", failure_message="The sandbox card was declined."
            )
        if wanted == "action_required":
            return ChargeOutcome(
                PaymentStatus.ACTION_REQUIRED,
                failure_code="authentication_required",
                failure_message="The customer must confirm the payment.",
            )
        return ChargeOutcome(PaymentStatus.SUCCEEDED)

    @contextmanager
    def checking(self, app: BillingApp) -> Iterator[Check]:
        """The sandbox can always collect."""
        yield lambda known: PaymentMethodCheck()
