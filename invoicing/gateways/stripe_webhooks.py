"""Stripe's webhooks: is an event really Stripe's for this app, and what does it say."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from core.errors import InvalidInput
from core.rest.wire_json import JSONProblem, loads
from invoicing.gateways.base import ChargeOutcome, RefundNews
from invoicing.gateways.stripe_answers import dispute_news, outcome_of, refund_news

TOLERANCE_SECONDS = 300
_LONGEST_ID = 255
_INTENT_EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.canceled",
)
# The last one is what older versions of Stripe's API call the second.
_REFUND_EVENTS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
# Whether the money of a dispute has been withdrawn; other events of disputes move none.
_DISPUTE_EVENTS = {"charge.dispute.funds_withdrawn": True, "charge.dispute.funds_reinstated": False}
# What an endpoint at Stripe is to send: all that something comes of.
LISTENS_TO = (
    *_INTENT_EVENTS,
    "charge.refunded",
    *_REFUND_EVENTS,
    *_DISPUTE_EVENTS,
    "payment_method.detached",
    "customer.deleted",
)


@dataclass(frozen=True, slots=True)
class StripeNews:
    """An event whose signature is right. `outcome` is set for events of PaymentIntents that we listen to, `refund` for
    those of refunds and of disputes, which take money back as a refund does."""

    id: str
    type: str
    livemode: bool
    happened_at: datetime
    account: str | None
    thing: dict[str, Any]
    outcome: ChargeOutcome | None
    refund: RefundNews | None


def read_event(body: bytes, *, signature: str, secret: str) -> StripeNews:
    """The event in `body`. InvalidInput for a wrong or old signature (real time) and for what is no event."""
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
        event = loads(body)
        thing = dict(event["data"]["object"])
        thing["metadata"] = dict(thing.get("metadata") or {})
        _id(thing.get("id") or "")
        kind = str(event["type"])
        return StripeNews(
            id=_id(event["id"]),
            type=kind,
            livemode=event["livemode"] is True,
            happened_at=datetime.fromtimestamp(int(event["created"]), UTC),
            account=event.get("account"),
            thing=thing,
            outcome=outcome_of(thing) if kind in _INTENT_EVENTS else None,
            refund=_refund(kind, thing),
        )
    except stripe.SignatureVerificationError as error:
        raise InvalidInput(
            "The signature is not the one of this app's webhook secret. Nothing was changed.", code="bad_signature"
        ) from error
    except (JSONProblem, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInput("The body is no Stripe event. Nothing was changed.", code="bad_event") from error


def _id(value: Any) -> str:
    """An id as Stripe says that it keeps them: of 255 characters at most."""
    if len(str(value)) > _LONGEST_ID:
        raise ValueError(f"Stripe has no ids of more than {_LONGEST_ID} characters.")
    return str(value)


def _refund(kind: str, thing: dict[str, Any]) -> RefundNews | None:
    if not thing.get("payment_intent"):
        return None
    if kind in _REFUND_EVENTS:
        return refund_news(thing)
    return dispute_news(thing, withdrawn=_DISPUTE_EVENTS[kind]) if kind in _DISPUTE_EVENTS else None
