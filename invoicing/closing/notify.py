"""Tells customers about their invoices by e-mail, through the outbox."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.ids import to_text
from core.money import to_wire
from core.outbox.services.enqueue import Email, enqueue_emails
from core.outbox.services.mail_text import render_mail
from customers.choices import CollectionMethod
from invoicing.closing.documents import InvoiceDocument


def notify_issued(documents: Sequence[InvoiceDocument]) -> None:
    """Send the invoices that customers pay by themselves. In the transaction that issues them; one query for all."""
    emails = []
    for document in documents:
        loaded, issued = document.loaded, document.issued
        if issued is None or document.terms.settings.values["collection_method"] != CollectionMethod.SEND_INVOICE:
            continue
        emails.append(
            _issued_email(
                invoice_id=document.id,
                customer_id=loaded.id,
                to=loaded.customer.primary_email or "",
                customer=loaded.customer.name,
                supplier=document.terms.profile.supplier.name,
                number=issued.number,
                total=issued.total,
                currency=document.currency,
                due_at=issued.due_at,
            )
        )
    enqueue_emails(emails)


def notify_issued_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """The same for invoices that were drafts before, given by their columns."""
    enqueue_emails(
        [
            _issued_email(
                invoice_id=row["id"],
                customer_id=row["customer_id"],
                to=row["customer_snapshot"].get("primaryEmail") or "",
                customer=row["customer_snapshot"]["name"],
                supplier=row["supplier_snapshot"]["name"],
                number=row["number"],
                total=row["total"],
                currency=row["currency"],
                due_at=row["due_at"],
            )
            for row in rows
        ]
    )


def _issued_email(
    *,
    invoice_id: uuid.UUID,
    customer_id: uuid.UUID,
    to: str,
    customer: str,
    supplier: str,
    number: str,
    total: Decimal,
    currency: str,
    due_at: datetime,
) -> Email:
    return Email(
        to=to,
        text=render_mail(
            "invoice_issued",
            {
                "customer": customer,
                "supplier": supplier,
                "number": number,
                "amount": to_wire(total),
                "currency": currency,
                "day": f"{due_at:%-d %B %Y}",
            },
        ),
        customer_id=customer_id,
        dedupe_key=f"invoice-issued:{to_text(invoice_id)}",
    )
