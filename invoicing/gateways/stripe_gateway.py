"""Stripe: off-session PaymentIntents with the `stripe` library (billing rules 11)."""

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
from core.ids import from_text, to_text
from core.money import EXACT, exponent
from customers.models import BillingApp
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.gateways.base import (
    CANCELED,
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
from invoicing.models import StripeAccount

TIMEOUT_SECONDS = 20
RETRIES = 2
# Stripe counts these in hundredths, though ISO 4217 gives them no decimal places.
_TWO_PLACES_AT_STRIPE = {"ISK", "UGX"}
_PAGE = 100
_DEFAULT_METHOD = "invoice_settings.default_payment_method"
_PAUSES = (0.5, 1, 2, 4)  # seconds between the tries of a check, while Stripe takes no more requests


class NotConnected(PreconditionFailed):
    """The app can't reach Stripe as it stands."""

    default_code = "stripe_not_connected"


class StripeGateway:
    """Reaches Stripe with the key of an installed app."""

    is_local = False

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


def minor_units(amount: Decimal, currency: str) -> int:
    """`amount` as Stripe counts it. ValueError where Stripe can't count so finely (KWD 1.005)."""
    places = exponent(currency)
    units = EXACT.scaleb(amount, 2 if currency in _TWO_PLACES_AT_STRIPE else places)
    if units != units.to_integral_value() or (places == 3 and units % 10):
        raise ValueError(f"Stripe can't charge {amount} {currency}: the last place must be zero.")
    return int(units)


def from_minor_units(units: int, currency: str) -> Decimal:
    """The amount that Stripe counts as `units`."""
    places = 2 if currency in _TWO_PLACES_AT_STRIPE else exponent(currency)
    return EXACT.scaleb(Decimal(units), -places)


class StripeConnection:
    """Stripe as one account sees it. See `Connection` for what its methods promise."""

    def __init__(self, api_key: str) -> None:
        self._http = stripe.RequestsClient(timeout=TIMEOUT_SECONDS)
        self._client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            max_network_retries=RETRIES,
            base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else None,
        )

    def close(self) -> None:
        self._http.close()

    def account_id(self) -> str:
        """The id of the account that the key belongs to. StripeRefused where the key is not accepted."""
        try:
            return str(self._client.v1.accounts.retrieve_current().id)
        except stripe.StripeError as error:
            raise StripeRefused(f"Stripe does not accept this API key: {_words(error)}") from error

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        if not request.external_customer_id:
            return _failed(CheckProblem.NO_CUSTOMER_ID, "The customer has no Stripe customer id at this app.")
        try:
            units = minor_units(request.amount, request.currency)
        except ValueError as error:
            return _failed("amount_not_chargeable", str(error))
        try:
            method = request.customer_data.get("defaultPaymentMethodId")
            if not method:
                check = self._check(request.external_customer_id, None)
                if check.problem:
                    return _failed(check.problem, check.message)
                method = check.payment_method
        except stripe.StripeError as error:
            return _before_sending(error)
        try:
            intent = self._client.v1.payment_intents.create(
                {
                    "amount": units,
                    "currency": request.currency.lower(),
                    "customer": request.external_customer_id,
                    "payment_method": str(method),
                    "confirm": True,
                    "off_session": True,
                    "metadata": dict(request.metadata),
                },
                {"idempotency_key": request.idempotency_key},
            )
        except stripe.StripeError as error:
            return _outcome_of_error(error)
        return outcome_of(intent.to_dict())

    def look_up(self, request: ChargeRequest, external_id: str | None) -> ChargeOutcome:
        try:
            if external_id:
                return outcome_of(self._client.v1.payment_intents.retrieve(external_id).to_dict())
            if not request.external_customer_id or request.sent_at is None or request.payment_id is None:
                return _failed(NOT_SENT, "The charge never reached Stripe.")
            since = int((request.sent_at - timedelta(minutes=5)).timestamp())
            found = self._client.v1.payment_intents.list(
                {"customer": request.external_customer_id, "created": {"gte": since}, "limit": _PAGE}
            )
            for intent in found.auto_paging_iter():
                shown = intent.to_dict()
                if (shown.get("metadata") or {}).get("payment_id") == to_text(request.payment_id):
                    return outcome_of(shown)
        except stripe.StripeError as error:
            return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", _words(error))
        return _failed(NOT_SENT, "The charge never reached Stripe.")

    def cancel(self, external_id: str) -> ChargeOutcome:
        try:
            return outcome_of(self._client.v1.payment_intents.cancel(external_id).to_dict())
        except stripe.InvalidRequestError:
            # It is in a state that can't be cancelled: which one decides what follows.
            try:
                return outcome_of(self._client.v1.payment_intents.retrieve(external_id).to_dict())
            except stripe.StripeError as error:
                return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", _words(error))
        except stripe.StripeError as error:
            return ChargeOutcome(PaymentStatus.UNKNOWN, external_id, "no_answer", _words(error))

    def refund(self, request: RefundRequest) -> RefundOutcome:
        # Looked for first: Stripe forgets idempotency keys after a day, and a refund must never be given twice.
        name = to_text(request.refund_id)
        if request.known_as:
            return self._look_up_refund(request.known_as)
        try:
            found = self._client.v1.refunds.list({"payment_intent": request.external_id, "limit": _PAGE})
            for given in found.auto_paging_iter():
                shown = given.to_dict()
                if (shown.get("metadata") or {}).get("refund_id") == name:
                    return _refund_outcome(shown)
            made = self._client.v1.refunds.create(
                {
                    "payment_intent": request.external_id,
                    "amount": minor_units(request.amount, request.currency),
                    "metadata": {"refund_id": name},
                },
                {"idempotency_key": request.idempotency_key},
            )
            return _refund_outcome(made.to_dict())
        except (stripe.InvalidRequestError, ValueError) as error:
            words = _words(error) if isinstance(error, stripe.StripeError) else str(error)
            return RefundOutcome(RefundStatus.FAILED, None, "refused", words)
        except stripe.StripeError as error:
            return RefundOutcome(RefundStatus.UNKNOWN, None, "no_answer", _words(error))

    def _look_up_refund(self, refund_id: str) -> RefundOutcome:
        try:
            return _refund_outcome(self._client.v1.refunds.retrieve(refund_id).to_dict())
        except stripe.StripeError as error:
            return RefundOutcome(RefundStatus.UNKNOWN, refund_id, "no_answer", _words(error))

    def refunds_of(self, external_id: str) -> list[RefundNews] | None:
        try:
            found = self._client.v1.refunds.list({"payment_intent": external_id, "limit": _PAGE})
            return [refund_news(given.to_dict()) for given in found.auto_paging_iter()]
        except stripe.StripeError:
            return None

    def check_customer(self, external_id: str, payment_method: str | None) -> PaymentMethodCheck:
        for pause in (*_PAUSES, None):
            try:
                return self._check(external_id, payment_method, expired_is_problem=True)
            except stripe.RateLimitError as error:
                if pause is None:
                    return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"Stripe could not be asked: {_words(error)}")
                time.sleep(pause)
            except stripe.StripeError as error:
                return PaymentMethodCheck(CheckProblem.UNREACHABLE, f"Stripe could not be asked: {_words(error)}")
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


def outcome_of(intent: dict[str, Any]) -> ChargeOutcome:
    """What the state of a PaymentIntent means for us."""
    external_id, state = str(intent["id"]), intent["status"]
    if state == "succeeded":
        return ChargeOutcome(PaymentStatus.SUCCEEDED, external_id)
    error = intent.get("last_payment_error") or {}
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    if state == "canceled":
        return ChargeOutcome(PaymentStatus.FAILED, external_id, CANCELED, "The charge was cancelled at Stripe.")
    if state == "requires_action" or code == "authentication_required":
        words = message or "The customer must confirm the payment."
        return ChargeOutcome(PaymentStatus.ACTION_REQUIRED, external_id, "authentication_required", words)
    if state == "requires_payment_method":
        decline = str(error.get("decline_code") or code or "declined")
        return ChargeOutcome(PaymentStatus.FAILED, external_id, decline[:64], message or "The charge was declined.")
    return ChargeOutcome(PaymentStatus.PENDING, external_id)


def refund_news(refund: dict[str, Any]) -> RefundNews:
    """What Stripe says of a refund. KeyError, TypeError or ValueError for what is none."""
    currency = str(refund["currency"]).upper()
    named = (refund.get("metadata") or {}).get("refund_id")
    return RefundNews(
        charge_id=str(refund["payment_intent"]),
        amount=from_minor_units(int(refund["amount"]), currency),
        currency=currency,
        ours=from_text(named) if isinstance(named, str) else None,
        outcome=_refund_outcome(refund),
    )


def _refund_outcome(refund: dict[str, Any]) -> RefundOutcome:
    external_id, state = str(refund["id"]), refund.get("status")
    if state in ("failed", "canceled"):
        reason = str(refund.get("failure_reason") or state)
        return RefundOutcome(RefundStatus.FAILED, external_id, reason[:64], f"Stripe says: {reason}.")
    return RefundOutcome(RefundStatus.SUCCEEDED if state == "succeeded" else RefundStatus.PENDING, external_id)


def _outcome_of_error(error: stripe.StripeError) -> ChargeOutcome:
    """What an error means for the charge that was sent: declined, refused, or nobody knows."""
    body: dict[str, Any] = error.json_body.get("error", {}) if isinstance(error.json_body, dict) else {}
    intent = body.get("payment_intent")
    if isinstance(intent, dict) and intent.get("id"):
        return outcome_of(intent | {"last_payment_error": intent.get("last_payment_error") or body})
    if isinstance(error, stripe.CardError) or error.http_status == 402:
        return _failed(str(body.get("decline_code") or body.get("code") or "declined")[:64], _words(error))
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return _failed(NOT_AUTHORIZED, f"Stripe refused the API key: {_words(error)}")
    if isinstance(error, stripe.RateLimitError):
        return _failed(NOT_SENT, "Stripe took no more requests for the moment.")
    if isinstance(error, stripe.InvalidRequestError):
        return _failed(str(body.get("code") or "refused")[:64], _words(error))
    return ChargeOutcome(PaymentStatus.UNKNOWN, None, "no_answer", f"Stripe gave no clear answer: {_words(error)}")


def _before_sending(error: stripe.StripeError) -> ChargeOutcome:
    """An error while the payment method was looked up: no charge was sent."""
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return _failed(NOT_AUTHORIZED, f"Stripe refused the API key: {_words(error)}")
    return _failed(NOT_SENT, f"Stripe could not be asked for the payment method: {_words(error)}")


def _failed(code: str, message: str) -> ChargeOutcome:
    return ChargeOutcome(PaymentStatus.FAILED, None, code, message)


def _words(error: stripe.StripeError) -> str:
    return (error.user_message or str(error) or type(error).__name__).strip().split("\n", 1)[0][:500]
