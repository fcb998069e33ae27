"""Handles what Stripe tells us: each event once, in whatever order they come."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from core import clock
from core.audit.services.record import record
from core.crypto import decrypt
from core.errors import InvalidInput, PreconditionFailed
from core.ids import from_text, to_text
from customers.models import BillingApp, CustomerAppData
from invoicing.choices import IN_FLIGHT, PaymentStatus
from invoicing.gateways import REMOTE_GATEWAYS, ChargeOutcome
from invoicing.gateways.base import RefundNews
from invoicing.gateways.stripe_webhooks import StripeNews, read_event
from invoicing.models import Payment, StripeAccount, StripeEvent
from invoicing.payments.book_outcome import book_outcome, move_of
from invoicing.payments.book_refund import book_refund_news
from invoicing.payments.charge_moves import Move, Teller
from invoicing.payments.collect_remotely import request_of


def handle_stripe_event(*, app: BillingApp, body: bytes, signature: str) -> StripeEvent:
    """Handle the event in `body`, sent to `app`; one that was handled before changes nothing.

    InvalidInput, and nothing is changed, for a wrong signature and for an event of another app, account or mode;
    PreconditionFailed where Stripe must be asked about it and gives no answer, and where it is not known yet which
    charge it is about. Then its id isn't kept either: Stripe sends the event again later.
    """
    account = StripeAccount.objects.filter(app=app).first()
    if account is None or not account.webhook_secret:
        raise PreconditionFailed(
            f"{app} has no webhook secret: give it the one that Stripe shows for the endpoint. Nothing was changed."
        )
    news = read_event(body, signature=signature, secret=decrypt(account.webhook_secret))
    _check_addressee(app, account, news)
    refunds = _refunds_told_of(app, news)
    charge = _charge_told_of(app, news)
    with transaction.atomic():
        event = StripeEvent(app=app, event_id=news.id, type=news.type[:255], happened_at=news.happened_at)
        # A second delivery that comes at the same time waits here, at the unique index, for the first one's end.
        StripeEvent.objects.bulk_create([event], ignore_conflicts=True)
        stored = StripeEvent.objects.select_for_update().get(app=app, event_id=news.id)
        if stored.pk != event.pk:
            return stored
        stored.payment, stored.outcome = _handle(app, news, charge, refunds)
        stored.save()
    return stored


def _check_addressee(app: BillingApp, account: StripeAccount, news: StripeNews) -> None:
    named = news.thing["metadata"].get("app_id")
    if (
        news.livemode != account.livemode
        or news.account not in (None, account.account_id)
        or named not in (None, to_text(app.pk))
    ):
        raise InvalidInput(f"The event belongs to another app than {app}. Nothing was changed.", code="other_app")


@dataclass(frozen=True, slots=True)
class _Told:
    """The state of a charge, since when it is in it, and who says so."""

    outcome: ChargeOutcome
    since: datetime
    by: Teller


def _charge_told_of(app: BillingApp, news: StripeNews) -> _Told | None:
    """The state that an event tells of. Where nobody can tell from it whether that is the latest one, Stripe is asked,
    before the transaction."""
    if news.outcome is None:
        return None
    told = _Told(news.outcome, news.happened_at, Teller.EVENT)
    payment = _payment_of(app, news.thing)
    if payment is None or _is_handled(app, news):
        return told
    if move_of(payment, told.outcome, told.since, told.by) is not Move.ASK:
        return told
    with closing(REMOTE_GATEWAYS[app.type].connect(app)) as link:
        now = link.look_up(request_of(payment, payment.invoice, None), str(news.thing["id"]))
    if now.status == PaymentStatus.UNKNOWN:
        raise _unreachable(app, f"what became of {news.thing['id']}")
    return _Told(now, clock.real_now(), Teller.ASKED)


def _refunds_told_of(app: BillingApp, news: StripeNews) -> list[RefundNews]:
    """The refunds that an event is about. That of the charge only says how much was given back in all, so Stripe is
    asked for the refunds, once for each event and before the transaction."""
    charge = news.thing.get("payment_intent")
    if (news.refund is None and news.type != "charge.refunded") or not charge or _is_handled(app, news):
        return []
    if not _is_ours(app, str(charge), str(news.thing.get("currency") or "").upper()):
        return []
    if news.refund is not None:
        return [news.refund]
    with closing(REMOTE_GATEWAYS[app.type].connect(app)) as link:
        found = link.refunds_of(str(charge))
    if not found:
        raise _unreachable(app, f"the refunds of {charge}")
    return found


def _is_ours(app: BillingApp, charge: str, currency: str) -> bool:
    """Whether the charge is one of ours. PreconditionFailed while that can't be known: a charge whose answer was lost
    has no id here, until Stripe was asked about it."""
    charges = Payment.objects.filter(app=app, attempt__isnull=False)
    if charges.filter(external_id=charge).exists():
        return True
    if charges.filter(external_id=None, currency=currency, status__in=IN_FLIGHT).exists():
        raise PreconditionFailed(
            f"Whether {charge} is a charge of {app} is not known yet. Nothing was changed: send it again.",
            code="charge_not_known_yet",
        )
    return False


def _is_handled(app: BillingApp, news: StripeNews) -> bool:
    return StripeEvent.objects.filter(app=app, event_id=news.id).exists()


def _unreachable(app: BillingApp, asked_for: str) -> PreconditionFailed:
    return PreconditionFailed(
        f"{app} gave no answer when it was asked for {asked_for}. Nothing was changed: send it again.",
        code="stripe_unreachable",
    )


def _handle(
    app: BillingApp, news: StripeNews, charge: _Told | None, refunds: Sequence[RefundNews]
) -> tuple[Payment | None, str]:
    if charge is not None:
        payment = _payment_of(app, news.thing)
        if payment is None:
            return None, "Not a charge of ours."
        booked = book_outcome(
            payment_id=payment.pk, outcome=charge.outcome, as_of=clock.now(), known_at=charge.since, by=charge.by
        )
        return booked, f"The charge is now: {booked.get_status_display().lower()}."
    if refunds:
        known = [book_refund_news(app=app, news=refund, as_of=clock.now()) for refund in refunds]
        booked_ones = [refund for refund in known if refund is not None]
        if not booked_ones:
            return None, "Not a charge of ours."
        states = ", ".join(refund.get_status_display().lower() for refund in booked_ones)
        what = "Dispute" if refunds[0].disputed else "Refunds"
        return booked_ones[0].payment, f"{what} of the charge: {states}."
    if news.refund is not None or news.type == "charge.refunded":
        return None, "Not a charge of ours."
    if news.type == "payment_method.detached":
        return None, _forget_method(app, news.thing)
    if news.type == "customer.deleted":
        return None, _note_deletion(app, news.thing)
    return None, "Nothing to do."


def _payment_of(app: BillingApp, intent: dict[str, Any]) -> Payment | None:
    """The charge that the PaymentIntent is: by its id, or by ours where we have not heard of its id yet."""
    currency = str(intent.get("currency") or "").upper()
    charges = Payment.objects.filter(app=app, attempt__isnull=False, currency=currency)
    known = charges.filter(external_id=intent["id"]).first()
    named = intent["metadata"].get("payment_id")
    ours = from_text(named) if isinstance(named, str) else None
    if known is not None or ours is None:
        return known
    return charges.filter(pk=ours, external_id=None).first()


def _forget_method(app: BillingApp, method: dict[str, Any]) -> str:
    rows = CustomerAppData.objects.select_for_update().filter(app=app, data__defaultPaymentMethodId=method.get("id"))
    for row in rows:
        del row.data["defaultPaymentMethodId"]
        row.save(update_fields=["data"])
        record(
            verb="update_app_data",
            target=row.customer,
            did=f"forgot the payment method {method.get('id')} of {row.customer}: it was removed at Stripe",
            customer_id=row.customer_id,
        )
    return "The payment method is charged no more." if rows else "Nothing to do."


def _note_deletion(app: BillingApp, customer: dict[str, Any]) -> str:
    row = CustomerAppData.objects.select_related("customer").filter(app=app, external_id=customer.get("id")).first()
    if row is None:
        return "Not a customer of ours."
    record(
        verb="update_app_data",
        target=row.customer,
        did=f"learnt that Stripe deleted {customer.get('id')}, which {row.customer} is charged by at {app}",
        customer_id=row.customer_id,
    )
    return "The customer is gone at Stripe: charges will fail."
