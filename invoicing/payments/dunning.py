"""Decides when a failed charge is tried again, and what the customer is told of it (billing rules 11)."""

from datetime import datetime, timedelta

from core.ids import to_text
from core.money import to_wire
from core.outbox.services.enqueue import Email
from invoicing.models import Invoice


def next_try(invoice: Invoice, *, first_failed_at: datetime, as_of: datetime) -> datetime | None:
    """When to act again: so many days after the first failure, by the frozen plan; None when that is used up."""
    days = invoice.workflow_snapshot.get("values", {}).get("dunning_days") or []
    return next((at for day in days if (at := first_failed_at + timedelta(days=day)) > as_of), None)


def failure_notice(invoice: Invoice, *, message: str, attempt: int) -> Email:
    """Tells the customer that a charge failed. The same attempt is told of once."""
    return Email(
        to=invoice.customer_snapshot.get("primaryEmail") or "",
        subject=f"Payment of invoice {invoice.number} failed",
        body=(
            f"Hello {invoice.customer_snapshot.get('name')},\n\n"
            f"we could not collect {to_wire(invoice.due)} {invoice.currency} for invoice {invoice.number}: {message}\n"
        ),
        customer_id=invoice.customer_id,
        dedupe_key=f"payment-failed:{to_text(invoice.id)}:{attempt}",
    )


def action_notice(invoice: Invoice, *, attempt: int, as_of: datetime) -> Email:
    """Asks the customer to confirm a charge with their bank; once for each attempt and day."""
    return Email(
        to=invoice.customer_snapshot.get("primaryEmail") or "",
        subject=f"Please confirm the payment of invoice {invoice.number}",
        body=(
            f"Hello {invoice.customer_snapshot.get('name')},\n\n"
            f"your bank asks you to confirm the payment of {to_wire(invoice.due)} {invoice.currency} for invoice "
            f"{invoice.number}.\n"
        ),
        customer_id=invoice.customer_id,
        dedupe_key=f"payment-action:{to_text(invoice.id)}:{attempt}:{as_of:%Y-%m-%d}",
    )
