"""Decides since when a customer is in dunning, when a failed charge is tried again, and what the customer is told of
what is owed (billing rules 11)."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from core.ids import to_text
from core.money import to_wire
from core.outbox.services.enqueue import Email
from core.outbox.services.mail_text import render_mail
from invoicing.choices import PaymentStatus
from invoicing.gateways.base import CANCELED, NOT_AUTHORIZED, NOT_SENT
from invoicing.gateways.never import NEVER_CHARGED
from invoicing.models import Invoice, Payment

FAILURES_OF_OURS = frozenset({NOT_SENT, NOT_AUTHORIZED})
_NOT_THE_CUSTOMERS = FAILURES_OF_OURS | NEVER_CHARGED | {CANCELED}


def is_customers_failure(status: str, failure_code: str) -> bool:
    """Whether a charge failed by the customer, so that the plan counts from it. What failed through us, could never
    succeed, or was cancelled, by whomever, doesn't count; nor does what the customer can still confirm."""
    return status == PaymentStatus.FAILED and failure_code not in _NOT_THE_CUSTOMERS


def first_failures(invoice_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When the customer's first charge of each of these invoices failed; those without such a failure have no entry.
    One query."""
    failed = Payment.objects.filter(invoice__in=invoice_ids, attempt__isnull=False, status=PaymentStatus.FAILED)
    firsts: dict[uuid.UUID, datetime] = {}
    charges = failed.order_by("created_at").values_list("invoice_id", "created_at", "status", "failure_code")
    for invoice_id, created_at, status, failure_code in charges:
        if is_customers_failure(status, failure_code):
            firsts.setdefault(invoice_id, created_at)
    return firsts


def plan_of(invoice: Invoice) -> Sequence[int]:
    """The dunning plan that the invoice froze: on which days after the first failure to act."""
    return invoice.workflow_snapshot.get("values", {}).get("dunning_days") or []


def next_try(days: Sequence[int], *, first_failed_at: datetime, as_of: datetime) -> datetime | None:
    """When to act again: so many `days` after the first failure, by the frozen plan; None when that is used up."""
    return next((at for day in days if (at := first_failed_at + timedelta(days=day)) > as_of), None)


def overdue_notice(invoice: Invoice) -> Email:
    """Reminds the customer that the due date has passed; once for each invoice."""
    return Email(
        to=invoice.customer_snapshot.get("primaryEmail") or "",
        text=render_mail("invoice_overdue", {**_owed(invoice), "day": f"{invoice.due_at:%-d %B %Y}"}),
        customer_id=invoice.customer_id,
        dedupe_key=f"invoice-overdue:{to_text(invoice.id)}",
    )


def failure_notice(invoice: Invoice, *, message: str, attempt: int) -> Email:
    """Tells the customer that a charge failed. The same attempt is told of once."""
    return Email(
        to=invoice.customer_snapshot.get("primaryEmail") or "",
        text=render_mail("payment_failed", {**_owed(invoice), "message": message}),
        customer_id=invoice.customer_id,
        dedupe_key=f"payment-failed:{to_text(invoice.id)}:{attempt}",
    )


def action_notice(invoice: Invoice, *, attempt: int, as_of: datetime) -> Email:
    """Asks the customer to confirm a charge with their bank; once for each attempt and day."""
    return Email(
        to=invoice.customer_snapshot.get("primaryEmail") or "",
        text=render_mail("payment_to_confirm", _owed(invoice)),
        customer_id=invoice.customer_id,
        dedupe_key=f"payment-action:{to_text(invoice.id)}:{attempt}:{as_of:%Y-%m-%d}",
    )


def _owed(invoice: Invoice) -> dict[str, str]:
    """Who owes how much for which invoice, as mails say it."""
    return {
        "customer": str(invoice.customer_snapshot.get("name")),
        "amount": to_wire(invoice.due),
        "currency": invoice.currency,
        "number": str(invoice.number),
    }
