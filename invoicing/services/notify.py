"""Tells customers about their invoices by e-mail, through the outbox."""

from collections.abc import Sequence

from core.ids import to_text
from core.money import to_wire
from core.outbox.services.enqueue import Email, enqueue_emails
from customers.choices import CollectionMethod
from invoicing.engine.documents import InvoiceDocument


def notify_issued(documents: Sequence[InvoiceDocument]) -> None:
    """Send the invoices that customers pay by themselves. In the transaction that issues them; one query for all."""
    emails = []
    for document in documents:
        customer = document.loaded.customer
        settings = document.loaded.terms.settings.values
        if settings["collection_method"] != CollectionMethod.SEND_INVOICE or not customer.primary_email:
            continue
        issued = document.issued
        assert issued is not None
        emails.append(
            Email(
                to=customer.primary_email,
                subject=f"Invoice {issued.number} from {document.loaded.terms.profile.supplier.name}",
                body=(
                    f"Hello {customer.name},\n\n"
                    f"your invoice {issued.number} over {to_wire(issued.total)} {document.currency} is due on "
                    f"{issued.due_at:%-d %B %Y}.\n"
                ),
                customer_id=customer.id,
                dedupe_key=f"invoice-issued:{to_text(document.id)}",
            )
        )
    enqueue_emails(emails)
