"""What Stripe's answers mean: amounts, states of charges and refunds, errors. Pure but for the library's types."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import stripe

from core.ids import from_text
from core.money import EXACT, exponent
from invoicing.choices import PaymentStatus, RefundStatus
from invoicing.gateways.base import (
    CANCELED,
    NOT_AUTHORIZED,
    NOT_SENT,
    ChargeOutcome,
    CheckProblem,
    RefundNews,
    RefundOutcome,
)
from invoicing.gateways.never import CURRENCY_NOT_SUPPORTED, NEVER_CHARGED, REFUSED

# Where Stripe counts in other units than ISO 4217: hundredths of what has no decimal places, and whole ariary.
_PLACES_AT_STRIPE = {"ISK": 2, "UGX": 2, "MGA": 0}


def minor_units(amount: Decimal, currency: str) -> int:
    """`amount` as Stripe counts it. ValueError where Stripe can't count so finely (KWD 1.005, MGA 0.20)."""
    places = _PLACES_AT_STRIPE.get(currency, exponent(currency))
    units = EXACT.scaleb(amount, places)
    if units != units.to_integral_value() or (places == 3 and units % 10):
        raise ValueError(f"Stripe can't charge {amount} {currency}: it counts no such small parts of {currency}.")
    return int(units)


def from_minor_units(units: int, currency: str) -> Decimal:
    """The amount in `currency` that Stripe counts as `units`, which for some currencies are not the smallest coin."""
    return EXACT.scaleb(Decimal(units), -_PLACES_AT_STRIPE.get(currency, exponent(currency)))


def outcome_of(intent: dict[str, Any]) -> ChargeOutcome:
    """What the state of a PaymentIntent means for us. KeyError, TypeError or ValueError for what is none."""
    external_id, state = str(intent["id"]), intent["status"]
    if state == "succeeded":
        return ChargeOutcome(PaymentStatus.SUCCEEDED, external_id, received=_received(intent))
    error = intent.get("last_payment_error") or {}
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    if state == "canceled":
        return ChargeOutcome(PaymentStatus.FAILED, external_id, CANCELED, "The charge was cancelled at Stripe.")
    if state == "requires_confirmation":
        # Stripe made it and then failed to confirm it. Only we could, and nobody will: it never takes money.
        return ChargeOutcome(PaymentStatus.FAILED, external_id, NOT_SENT, "Stripe did not go through with the charge.")
    if state == "requires_action" or code == "authentication_required":
        words = message or "The customer must confirm the payment."
        return ChargeOutcome(PaymentStatus.ACTION_REQUIRED, external_id, "authentication_required", words)
    if state == "requires_payment_method":
        decline = str(error.get("decline_code") or code or "declined")
        return ChargeOutcome(PaymentStatus.FAILED, external_id, decline[:64], message or "The charge was declined.")
    return ChargeOutcome(PaymentStatus.PENDING, external_id)


def _received(intent: dict[str, Any]) -> Decimal | None:
    units = intent.get("amount_received") or intent.get("amount")
    if units is None:
        return None
    if not isinstance(units, int) or units <= 0:
        raise ValueError(f"Stripe says that {units!r} came in.")
    return from_minor_units(units, str(intent["currency"]).upper())


def refund_news(refund: dict[str, Any]) -> RefundNews:
    """What Stripe says of a refund. KeyError, TypeError or ValueError for what is none."""
    currency = str(refund["currency"]).upper()
    named = (refund.get("metadata") or {}).get("refund_id")
    return RefundNews(
        charge_id=str(refund["payment_intent"]),
        amount=from_minor_units(int(refund["amount"]), currency),
        currency=currency,
        ours=from_text(named) if isinstance(named, str) else None,
        outcome=refund_outcome(refund),
    )


def dispute_news(dispute: dict[str, Any], *, withdrawn: bool) -> RefundNews:
    """What a dispute means once its money is withdrawn from us, or reinstated. Raises as `refund_news`."""
    currency = str(dispute["currency"]).upper()
    returned = RefundOutcome(RefundStatus.FAILED, str(dispute["id"]), "dispute_won", "The dispute was won.")
    return RefundNews(
        charge_id=str(dispute["payment_intent"]),
        amount=from_minor_units(int(dispute["amount"]), currency),
        currency=currency,
        ours=None,
        outcome=RefundOutcome(RefundStatus.SUCCEEDED, str(dispute["id"])) if withdrawn else returned,
        disputed=True,
    )


def refund_outcome(refund: dict[str, Any]) -> RefundOutcome:
    """What Stripe's refund object says became of it; pending where its state is none that is final."""
    external_id, state = str(refund["id"]), refund.get("status")
    if state in ("failed", "canceled"):
        reason = str(refund.get("failure_reason") or state)
        return RefundOutcome(RefundStatus.FAILED, external_id, reason[:64], f"Stripe says: {reason.replace('_', ' ')}.")
    return RefundOutcome(RefundStatus.SUCCEEDED if state == "succeeded" else RefundStatus.PENDING, external_id)


def outcome_of_error(error: stripe.StripeError) -> ChargeOutcome:
    """What an error means for the charge that was sent: declined, refused, or nobody knows."""
    body: dict[str, Any] = error.json_body.get("error", {}) if isinstance(error.json_body, dict) else {}
    intent = body.get("payment_intent")
    if isinstance(intent, dict) and intent.get("id"):
        outcome = outcome_of(intent | {"last_payment_error": intent.get("last_payment_error") or body})
        declined = outcome.status == PaymentStatus.FAILED and outcome.failure_code not in (CANCELED, NOT_SENT)
        if declined and isinstance(error, stripe.InvalidRequestError):
            return replace(_refusal(error, body), external_id=outcome.external_id)
        return outcome
    if isinstance(error, stripe.CardError) or error.http_status == 402:
        return failed(str(body.get("decline_code") or body.get("code") or "declined")[:64], in_words(error))
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return failed(NOT_AUTHORIZED, f"Stripe refused the API key: {in_words(error)}")
    if isinstance(error, stripe.RateLimitError):
        return failed(NOT_SENT, "Stripe took no more requests for the moment.")
    if isinstance(error, stripe.InvalidRequestError):
        return _refusal(error, body)
    return ChargeOutcome(PaymentStatus.UNKNOWN, None, "no_answer", f"Stripe gave no clear answer: {in_words(error)}")


def _refusal(error: stripe.StripeError, body: dict[str, Any]) -> ChargeOutcome:
    """Stripe takes no such request: what was asked for is at fault, and no payment method was declined, save where the
    customer's is the one that isn't there."""
    code, param = str(body.get("code") or ""), str(body.get("param") or "")
    if code == "resource_missing" and param == "payment_method":
        return failed(CheckProblem.NO_PAYMENT_METHOD, in_words(error))
    if code in NEVER_CHARGED:
        return failed(code, in_words(error))
    if param == "currency":
        return failed(CURRENCY_NOT_SUPPORTED, in_words(error))
    return failed(REFUSED, f"Stripe refused the charge{f' ({code})' if code else ''}: {in_words(error)}")


def before_sending(error: stripe.StripeError) -> ChargeOutcome:
    """An error while the payment method was looked up: no charge was sent."""
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return failed(NOT_AUTHORIZED, f"Stripe refused the API key: {in_words(error)}")
    return failed(NOT_SENT, f"Stripe could not be asked for the payment method: {in_words(error)}")


def failed(code: str, message: str) -> ChargeOutcome:
    """A charge that was not made, so that Stripe has no id for it."""
    return ChargeOutcome(PaymentStatus.FAILED, None, code, message)


def in_words(error: stripe.StripeError) -> str:
    """What went wrong, as staff read it: one line of at most 500 characters."""
    if isinstance(error, stripe.APIConnectionError):
        # The library's own words ask to write to Stripe's support.
        return "It took too long." if "Timeout" in str(error) else "The connection broke."
    return (error.user_message or str(error) or type(error).__name__).strip().split("\n", 1)[0][:500]
