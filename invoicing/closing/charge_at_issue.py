"""Charges what is being issued right now, where the app charges at once: it is paid before it is stored.

One transaction instead of two, and each invoice is written once. Whatever does not succeed, or goes over the network,
is left to `collect`, which records the try, plans the next one and tells the customer (billing rules 11).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from core.ids import to_text
from core.many_ids import among
from core.money import ZERO
from customers.models import BillingApp, CustomerAppData
from invoicing.choices import InvoiceStatus, PaymentStatus
from invoicing.gateways import LOCAL_GATEWAYS, ChargeOutcome, ChargeRequest
from invoicing.lifecycle.states import check_moves
from invoicing.payments.payment_row import payment_row


def charge_at_issue(issued: Sequence[tuple[dict[str, Any], BillingApp]]) -> list[dict[str, Any]]:
    """Pay those of these new invoices, given by their columns and their app, that are to be charged at their issue;
    returns the rows of the payments, to be stored after them. One query."""
    due = [
        (row, app)
        for row, app in issued
        if app.type in LOCAL_GATEWAYS
        and row["status"] == InvoiceStatus.ISSUED
        and row["next_collection_at"] is not None
        and row["next_collection_at"] <= row["issued_at"]
        and row["due"] > 0
    ]
    customers = {row["customer_id"] for row, _ in due}
    data = {
        (known.customer_id, known.app_id): known
        for known in among(CustomerAppData.objects.all(), "customer_id", customers)
    }
    payments = []
    for row, app in due:
        outcome = _charge(row, app, data.get((row["customer_id"], app.id)))
        if outcome.status != PaymentStatus.SUCCEEDED:
            continue
        payments.append(
            payment_row(
                invoice_id=row["id"],
                app_id=app.id,
                amount=row["due"],
                currency=row["currency"],
                attempt=1,
                outcome=outcome,
                as_of=row["issued_at"],
            )
        )
        row["paid"], row["due"] = row["paid"] + row["due"], ZERO
        row["status"], row["next_collection_at"], row["updated_at"] = InvoiceStatus.PAID.value, None, row["issued_at"]
    if payments:
        check_moves({(InvoiceStatus.ISSUED.value, InvoiceStatus.PAID.value)})
    return payments


def _charge(row: Mapping[str, Any], app: BillingApp, known: CustomerAppData | None) -> ChargeOutcome:
    request = ChargeRequest(
        invoice_id=row["id"],
        customer_id=row["customer_id"],
        app_id=app.id,
        amount=row["due"],
        currency=row["currency"],
        idempotency_key=f"{to_text(row['id'])}-1",
        external_customer_id=known.external_id if known else None,
        customer_data=known.data if known else {},
    )
    return LOCAL_GATEWAYS[app.type].charge(request)
