"""Owns what the invoice page says of each payment: its state, the provider's words, and the way out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import clock
from core.admin.display import admin_url, badge, day, moment
from core.admin.words import counted
from core.money import ZERO
from customers.choices import AppType
from invoicing.choices import IN_FLIGHT, OPEN_STATUSES, PaymentStatus, RefundStatus
from invoicing.gateways.base import NOT_AUTHORIZED, NOT_SENT
from invoicing.gateways.never import NEVER_CHARGED, WHAT_HELPS
from invoicing.models import Invoice, Payment, Refund
from invoicing.payments.dunning_steps import DunningStep, dunning_steps

PAYMENT_TONES = {
    PaymentStatus.PENDING: "blue",
    PaymentStatus.SUCCEEDED: "green",
    PaymentStatus.FAILED: "red",
    PaymentStatus.ACTION_REQUIRED: "amber",
    PaymentStatus.UNKNOWN: "amber",
}
REFUND_TONES = {
    RefundStatus.PENDING: "blue",
    RefundStatus.SUCCEEDED: "green",
    RefundStatus.FAILED: "red",
    RefundStatus.UNKNOWN: "amber",
}
_HAPPENED = {PaymentStatus.SUCCEEDED: "The money came in.", PaymentStatus.PENDING: "The charge is under way."}
_DASHBOARD = "https://dashboard.stripe.com"


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of the dunning plan, as the page shows it."""

    day: int
    at: datetime
    state: SafeString
    attempt: Payment | None


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """A payment, or a refund under its payment (a negative amount), as the page shows it. `page` is the payment's own;
    `link` is where the provider shows it, under the provider's name for it. `failed`: no money moved."""

    made: SafeString
    by: str
    how: str
    state: SafeString
    said: str
    way_out: SafeString | str
    page: str
    link: str
    name: str
    amount: Decimal
    currency: str
    to_balance: Decimal = ZERO
    is_refund: bool = False
    failed: bool = False


def payments_of(invoice: Invoice) -> list[Payment]:
    """The invoice's payments with their apps and refunds, the newest first. Two queries."""
    return list(invoice.payments.select_related("app__stripe_account").prefetch_related("refunds"))


def payment_rows(payments: Iterable[Payment]) -> list[MoneyRow]:
    """Every payment, each followed by its refunds."""
    return [row for payment in payments for row in (_payment(payment), *map(_refund, payment.refunds.all()))]


def step_rows(invoice: Invoice, payments: Iterable[Payment]) -> list[StepRow]:
    """The steps of the dunning plan, with what came of them. No query."""
    return [
        StepRow(step.day, step.at, _step_state(invoice, step), step.attempt)
        for step in dunning_steps(invoice, payments)
    ]


def after_dunning(invoice: Invoice, steps: Sequence[StepRow]) -> str:
    """What comes of the plan: who goes on once it is used up, or why it stands still. Empty where nothing is open."""
    if not steps or invoice.status not in OPEN_STATUSES:
        return ""
    by_itself = bool(invoice.workflow_snapshot.get("values", {}).get("uncollectible_after_dunning"))
    if invoice.next_collection_at is not None:
        end = "it becomes uncollectible by itself, once it is overdue" if by_itself else "staff decide what follows"
        return f"After the last retry {end}."
    if steps[-1].at > clock.now():
        return "The plan stands still until the charge above has ended."
    if by_itself:
        return "The plan is used up: it becomes uncollectible by itself once it is overdue."
    return "The plan is used up: charge it again, record a payment, mark it uncollectible or write it off."


def _step_state(invoice: Invoice, step: DunningStep) -> SafeString:
    if step.is_next:
        return badge("Next", "blue")
    if step.attempt is not None:
        return state_of(step.attempt)
    if step.at <= clock.now():
        return badge("No charge")
    if invoice.status not in OPEN_STATUSES:
        return badge("Not needed")
    return badge("To come") if invoice.next_collection_at is not None else badge("Stands still", "amber")


def state_of(payment: Payment) -> SafeString:
    """The payment's status as a pill."""
    return badge(payment.get_status_display(), PAYMENT_TONES[PaymentStatus(payment.status)])


def way_of(payment: Payment) -> str:
    """By what it was paid. A receipt on an invoice that an app charges did not come through that app."""
    if payment.attempt is None:
        return payment.app.name if payment.app.type == AppType.BANK_TRANSFER else "Receipt"
    return payment.app.name if payment.attempt == 1 else f"{payment.app.name}, attempt {payment.attempt}"


def provider_url(payment: Payment) -> str:
    """Where the provider shows the charge to staff; empty where it has no such page."""
    account = getattr(payment.app, "stripe_account", None)
    if account is None or payment.app.type != AppType.STRIPE or not (payment.external_id or "").startswith("pi_"):
        return ""
    mode = "" if account.livemode else "test/"
    return f"{_DASHBOARD}/{account.account_id}/{mode}payments/{payment.external_id}"


def _payment(payment: Payment) -> MoneyRow:
    said = payment.failure_message
    if payment.failure_code and payment.status == PaymentStatus.FAILED and payment.failure_code not in said:
        said = f"{said} ({payment.failure_code})"
    return MoneyRow(
        made=day(payment.received_at) if payment.attempt is None else moment(payment.created_at),
        by=payment.app.name if payment.attempt else way_of(payment),
        how=f"attempt {payment.attempt}" if payment.attempt else "",
        state=state_of(payment),
        said=said or payment.reference or _HAPPENED.get(PaymentStatus(payment.status), ""),
        way_out=_way_out(payment),
        page=admin_url(payment),
        link=provider_url(payment),
        name=payment.external_id or "",
        amount=payment.amount,
        currency=payment.currency,
        to_balance=payment.to_balance,
        failed=payment.status == PaymentStatus.FAILED,
    )


def _refund(refund: Refund) -> MoneyRow:
    return MoneyRow(
        made=moment(refund.created_at),
        by="Refund",
        how="",
        state=badge(refund.get_status_display(), REFUND_TONES[RefundStatus(refund.status)]),
        said=refund.failure_message or refund.reason,
        way_out=_refund_way_out(refund),
        page="",
        link="",
        name="",
        amount=-refund.amount,
        currency=refund.currency,
        is_refund=True,
        failed=refund.status == RefundStatus.FAILED,
    )


def _way_out(payment: Payment) -> SafeString | str:
    if payment.to_cancel and payment.status in (PaymentStatus.ACTION_REQUIRED, *IN_FLIGHT):
        return "It is being ended at the provider; then a new charge is made."
    if payment.status == PaymentStatus.ACTION_REQUIRED and payment.invoice.status not in OPEN_STATUSES:
        return "The customer can still confirm it with their bank: what comes in is booked."
    if payment.status == PaymentStatus.ACTION_REQUIRED:
        return (
            "The customer must confirm it with their bank, and was asked to by e-mail. "
            "“Charge now” ends this charge and tries a new one."
        )
    if payment.status in IN_FLIGHT:
        return _open_charge(payment)
    if payment.status == PaymentStatus.FAILED and payment.failure_code == NOT_AUTHORIZED:
        return "Not the customer's fault: give the app a new API key, then it is charged by itself."
    if payment.status == PaymentStatus.FAILED and payment.failure_code == NOT_SENT:
        return "Not the customer's fault: it is tried again by itself, and counts for nothing in the dunning plan."
    if payment.status == PaymentStatus.FAILED and payment.failure_code in NEVER_CHARGED:
        return f"Not the customer's fault, and not tried again by itself. {WHAT_HELPS[payment.failure_code]}"
    return ""


def _open_charge(payment: Payment) -> SafeString | str:
    nobody = "Nobody knows yet whether money was taken. " if payment.status == PaymentStatus.UNKNOWN else ""
    waits = f"{nobody}No other charge starts before its outcome is known"
    if payment.next_check_at is None:
        return f"{waits}."
    asked = f"was asked {counted(payment.checks, 'time')} so far, and " if payment.checks else ""
    return format_html("{}: {} {}is asked next on {}.", waits, payment.app.name, asked, moment(payment.next_check_at))


def _refund_way_out(refund: Refund) -> str:
    if refund.status == RefundStatus.PENDING:
        return "The provider is at work on it. The money has left the customer's balance."
    if refund.status == RefundStatus.FAILED:
        return "The money is on the customer's balance again."
    if refund.status == RefundStatus.UNKNOWN:
        return "Nobody knows yet whether it was given back: the provider is asked again by itself, and gives it once."
    return ""
