"""Stripe: off-session PaymentIntents with the `stripe` library (billing rules 11)."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import stripe
from django.conf import settings

from core import clock
from core.crypto import decrypt
from core.errors import BillingError, PreconditionFailed
from core.ids import to_text
from customers.models import BillingApp
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.gateways.base import (
    NOT_AUTHORIZED,
    NOT_SENT,
    ChargeOutcome,
    ChargeRequest,
    Check,
    CheckProblem,
    KnownAs,
    PaymentMethodCheck,
    RefundNews,
    RefundOutcome,
    RefundRequest,
)
from invoicing.gateways.stripe_answers import (
    before_sending,
    failed,
    in_words,
    minor_units,
    outcome_of,
    outcome_of_error,
    refund_news,
    refund_outcome,
)
from invoicing.gateways.stripe_limits import why_never
from invoicing.models import StripeAccount

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5, 20
RETRIES = 2
_PAGE = 100
# What an answer of another shape than Stripe's documents raises.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_SENT_WITHIN_SECONDS = 3600
_DEFAULT_METHOD = "invoice_settings.default_payment_method"
_PAUSES = (0.5, 1, 2, 4)  # seconds between the tries of a check, while Stripe takes no more requests


class NotConnected(PreconditionFailed):
    """The app can't reach Stripe as it stands."""

    default_code = "stripe_not_connected"


class StripeGateway:
    """Reaches Stripe with the key of an installed app."""

    is_local = False

    def why_never(self, amount: Decimal, currency: str) -> ChargeOutcome | None:
        return why_never(amount, currency)

    @contextmanager
    def checking(self, app: BillingApp) -> Iterator[Check]:
        """Asks Stripe for customers and for the payment methods that they would be charged by."""
        unknown = PaymentMethodCheck(CheckProblem.NO_CUSTOMER_ID, f"There is no Stripe customer id for {app.name}.")
        with ExitStack() as stack:
            refused, link = "", None
            try:
                link = stack.enter_context(closing(self.connect(app)))
            except BillingError as error:
                refused = error.message

            def check(known: KnownAs) -> PaymentMethodCheck:
                if not known.external_id:
                    return unknown
                if link is None:
                    return PaymentMethodCheck(CheckProblem.UNREACHABLE, refused)
                return link.check_customer(known.external_id, known.payment_method)

            yield check

    def connect(self, app: BillingApp) -> "StripeConnection":
        """NotConnected without an account, or with one of the other mode; CredentialUnreadable for a lost key."""
        account = StripeAccount.objects.filter(app=app).first()
        if account is None:
            raise NotConnected(f"{app.name} has no Stripe account: give it an API key.")
        if account.livemode != is_live_site():
            kind = "live" if account.livemode else "test"
            raise NotConnected(
                f"{app.name} has a {kind} key, and this site runs in {settings.STRIPE_MODE} mode: nothing is charged."
            )
        return StripeConnection(decrypt(account.api_key))


def is_live_site() -> bool:
    """Whether this site charges real money at Stripe."""
    return settings.STRIPE_MODE == "live"


class StripeConnection:
    """Stripe as one account sees it. See `Connection` for what its methods promise."""

    def __init__(self, api_key: str) -> None:
        self._http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS))
        self._client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            max_network_retries=RETRIES,
            base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else None,
        )

    def close(self) -> None:
        self._http.close()  # type: ignore[no-untyped-call]

    def account_id(self) -> str:
        """The id of the account that the key belongs to. StripeRefused where the key is not accepted."""
        try:
            return str(self._client.v1.accounts.retrieve_current().id)
        except stripe.StripeError as error:
            raise StripeRefused(
                f"Stripe does not accept this API key: {in_words(error).rstrip('.')}. Nothing was changed."
            ) from error

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        never = why_never(request.amount, request.currency)
        if never is not None:
            return never
        if not request.external_customer_id:
            return failed(CheckProblem.NO_CUSTOMER_ID, "The customer has no Stripe customer id at this app.")
        try:
            method = request.customer_data.get("defaultPaymentMethodId")
            if not method:
                check = self._check(request.external_customer_id, None)
                if check.problem:
                    return failed(check.problem, check.message)
                method = check.payment_method
        except stripe.StripeError as error:
            return before_sending(error)
        return self._send(request, minor_units(request.amount, request.currency), str(method))

    def _send(self, request: ChargeRequest, units: int, method: str) -> ChargeOutcome:
        """Once a try's answer is lost, that later ones are refused says nothing of the first: it may have charged."""
        lost = False
        for tried in range(RETRIES + 1):
            try:
                intent = self._client.v1.payment_intents.create(
                    {
                        "amount": units,
                        "currency": request.currency.lower(),
                        "customer": str(request.external_customer_id),
                        "payment_method": method,
                        "confirm": True,
                        "off_session": True,
                        "metadata": dict(request.metadata),
                    },
                    {"idempotency_key": request.idempotency_key, "max_network_retries": 0},
                )
                return outcome_of(intent.to_dict())
            except stripe.StripeError as error:
                outcome = outcome_of_error(error)
            if outcome.status != PaymentStatus.UNKNOWN:
                break
            lost = True
            if tried < RETRIES:
                time.sleep(stripe.HTTPClient.INITIAL_DELAY * 2**tried)
        if lost and outcome.failure_code in (NOT_SENT, NOT_AUTHORIZED):
            return ChargeOutcome(PaymentStatus.UNKNOWN, None, "no_answer", outcome.failure_message)
        return outcome

    def look_up(self, request: ChargeRequest, external_id: str | None) -> ChargeOutcome:
        try:
            if external_id:
                return _of(request, self._client.v1.payment_intents.retrieve(external_id).to_dict())
            if not request.external_customer_id or request.sent_at is None or request.payment_id is None:
                return failed(NOT_SENT, "The charge never reached Stripe.")
            since = int((request.sent_at - timedelta(minutes=5)).timestamp())
            for intent in self._intents(request.external_customer_id, since):
                if (intent.get("metadata") or {}).get("payment_id") == to_text(request.payment_id):
                    return _of(request, intent)
        except UNREADABLE as error:
            return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", _unreadable(error))
        except stripe.StripeError as error:
            return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", in_words(error))
        return failed(NOT_SENT, "The charge never reached Stripe.")

    def _intents(self, customer_id: str, since: int) -> Iterator[dict[str, Any]]:
        """The customer's charges since then; everybody's of that time, where Stripe knows the customer no more."""
        try:
            found = self._client.v1.payment_intents.list(
                {"customer": customer_id, "created": {"gte": since}, "limit": _PAGE}
            )
        except stripe.InvalidRequestError:
            found = self._client.v1.payment_intents.list(
                {"created": {"gte": since, "lte": since + _SENT_WITHIN_SECONDS}, "limit": _PAGE}
            )
        return (intent.to_dict() for intent in found.auto_paging_iter())

    def cancel(self, external_id: str) -> ChargeOutcome:
        try:
            return outcome_of(self._client.v1.payment_intents.cancel(external_id).to_dict())
        except stripe.InvalidRequestError:
            # It is in a state that can't be cancelled: which one decides what follows.
            try:
                return outcome_of(self._client.v1.payment_intents.retrieve(external_id).to_dict())
            except stripe.StripeError as error:
                return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", in_words(error))
        except stripe.StripeError as error:
            return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", in_words(error))

    def refund(self, request: RefundRequest) -> RefundOutcome:
        # Looked for first: Stripe forgets idempotency keys after a day, and a refund must never be given twice.
        name = to_text(request.refund_id)
        if request.known_as:
            return self._look_up_refund(request.known_as)
        try:
            units = minor_units(request.amount, request.currency)
        except ValueError as error:
            return RefundOutcome(RefundStatus.FAILED, None, "refused", str(error))
        try:
            found = self._client.v1.refunds.list({"payment_intent": request.external_id, "limit": _PAGE})
            for given in found.auto_paging_iter():
                shown = given.to_dict()
                if (shown.get("metadata") or {}).get("refund_id") == name:
                    return refund_outcome(shown)
            made = self._client.v1.refunds.create(
                {
                    "payment_intent": request.external_id,
                    "amount": units,
                    "metadata": {"refund_id": name},
                },
                {"idempotency_key": request.idempotency_key},
            )
            return refund_outcome(made.to_dict())
        except stripe.InvalidRequestError as error:
            return RefundOutcome(RefundStatus.FAILED, None, "refused", in_words(error))
        except stripe.StripeError as error:
            return RefundOutcome(RefundStatus.UNKNOWN, None, "no_answer", in_words(error))

    def _look_up_refund(self, refund_id: str) -> RefundOutcome:
        try:
            return refund_outcome(self._client.v1.refunds.retrieve(refund_id).to_dict())
        except stripe.StripeError as error:
            return RefundOutcome(RefundStatus.UNKNOWN, refund_id, "no_answer", in_words(error))

    def refunds_of(self, external_id: str) -> list[RefundNews] | None:
        try:
            found = self._client.v1.refunds.list({"payment_intent": external_id, "limit": _PAGE})
            return [refund_news(given.to_dict()) for given in found.auto_paging_iter()]
        except (stripe.StripeError, *UNREADABLE):
            logger.warning("Stripe told no refunds of %s", external_id, exc_info=True)
            return None

    def check_customer(self, external_id: str, payment_method: str | None) -> PaymentMethodCheck:
        for pause in (*_PAUSES, None):
            try:
                return self._check(external_id, payment_method, expired_is_problem=True)
            except stripe.RateLimitError as error:
                if pause is None:
                    return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"Stripe could not be asked: {in_words(error)}")
                time.sleep(pause)
            except stripe.StripeError as error:
                return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"Stripe could not be asked: {in_words(error)}")
            except UNREADABLE as error:
                return PaymentMethodCheck(CheckProblem.UNREACHABLE, _unreadable(error))
        raise AssertionError("the last pause returns")

    def _check(
        self, external_id: str, payment_method: str | None, *, expired_is_problem: bool = False
    ) -> PaymentMethodCheck:
        """A charge goes ahead with a card that seems to have expired: the bank may have sent Stripe the new one."""
        try:
            found = self._client.v1.customers.retrieve(external_id, {"expand": [_DEFAULT_METHOD]})
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return _no_customer(f"Stripe has no customer {external_id} at this account.")
            raise
        customer = found.to_dict()
        if customer.get("deleted"):
            return _no_customer(f"The customer {external_id} is deleted at Stripe.")
        currency = customer.get("currency")
        bound = currency.upper() if currency else None
        defaults = customer.get("invoice_settings") or {}
        method = defaults.get("default_payment_method") or customer.get("default_source")
        if payment_method:
            method, problem = self._method(payment_method, external_id)
            if problem:
                return PaymentMethodCheck(CheckProblem.NO_PAYMENT_METHOD, problem, bound)
        if not method:
            message = f"The customer {external_id} has no default payment method at Stripe."
            return PaymentMethodCheck(CheckProblem.NO_PAYMENT_METHOD, message, bound)
        shown = method if isinstance(method, dict) else {"id": method}
        expired = _expired(shown) if expired_is_problem else ""
        if expired:
            message = f"The card {shown['id']} of {external_id} expired in {expired}."
            return PaymentMethodCheck(CheckProblem.NO_PAYMENT_METHOD, message, bound)
        return PaymentMethodCheck(currency=bound, payment_method=str(shown["id"]))

    def _method(self, payment_method: str, external_id: str) -> tuple[dict[str, Any], str]:
        """The payment method at Stripe, and what is wrong with it for this customer."""
        try:
            method: dict[str, Any] = self._client.v1.payment_methods.retrieve(payment_method).to_dict()
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return {}, f"Stripe has no payment method {payment_method} at this account."
            raise
        if method.get("customer") != external_id:
            return method, f"The payment method {payment_method} does not belong to {external_id} at Stripe."
        return method, ""


def _of(request: ChargeRequest, intent: dict[str, Any]) -> ChargeOutcome:
    """The state of the charge that was asked about. One in another currency is not it, whatever it says."""
    if str(intent["currency"]).upper() != request.currency:
        said = f"Stripe answered with a charge in {str(intent['currency']).upper()}: look at it there."
        return ChargeOutcome(PaymentStatus.UNKNOWN, None, "no_answer", said)
    return outcome_of(intent)


def _unreadable(error: Exception) -> str:
    """What is said of an answer of another shape than Stripe's documents; the log has where it could not be read."""
    logger.warning("an answer of Stripe could not be read", exc_info=error)
    return f"Stripe's answer could not be read ({type(error).__name__})."


def _expired(method: dict[str, Any]) -> str:
    """The month in which the card expired, as `03/2026`; empty for one that is good, and for what never expires."""
    card = method.get("card") or {}
    month, year = card.get("exp_month"), card.get("exp_year")
    now = clock.real_now()
    if not month or not year or (year, month) >= (now.year, now.month):
        return ""
    return f"{month:02}/{year}"


def _no_customer(message: str) -> PaymentMethodCheck:
    return PaymentMethodCheck(CheckProblem.NO_CUSTOMER_ID, message)


class StripeRefused(PreconditionFailed):
    """Stripe does not accept what was asked."""

    default_code = "stripe_refused"
