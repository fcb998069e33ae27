"""What happened to an invoice without anybody's doing, read from its own columns: what runs and workers did to it.

A close writes no audit entry for each invoice: the invoice itself says when it was made, issued and charged.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.display import link
from core.admin.timeline import TimelineEntry
from core.admin.words import amount_text, moment_text
from invoicing.choices import InvoiceStatus, PaymentStatus, RefundStatus
from invoicing.models import BillingRun, CreditNote, Invoice, Payment, Refund

# What was issued so soon after it was made never waited as a draft.
_AT_ONCE = timedelta(minutes=1)
_BECAME = {
    PaymentStatus.PENDING: "is under way",
    PaymentStatus.FAILED: "failed",
    PaymentStatus.ACTION_REQUIRED: "waits for the customer's confirmation",
    PaymentStatus.UNKNOWN: "has an outcome that nobody knows yet",
}


def timeline_of(invoice: Invoice, payments: Iterable[Payment], notes: Iterable[CreditNote]) -> list[TimelineEntry]:
    """How it was made, issued, sent, charged and credited, the newest first. `payments` with their apps and refunds.
    No query."""
    if invoice.status == InvoiceStatus.GATHERING:
        return []
    found = _made(invoice)
    if invoice.sent_to_customer_at is not None:
        found.append(TimelineEntry(invoice.sent_to_customer_at, SafeString("It was sent to the customer.")))
    # What staff recorded by hand is in the audit trail, with who did.
    charges = [payment for payment in payments if payment.attempt is not None]
    found += [_charge(payment) for payment in sorted(charges, key=lambda payment: (payment.created_at, payment.id))]
    found += [
        _failed_refund(refund, payment.app.name)
        for payment in charges
        for refund in payment.refunds.all()
        if refund.status == RefundStatus.FAILED
    ]
    found += [
        TimelineEntry(note.issued_at, format_html("{} credited {}.", link(note), _worth(note.total, note.currency)))
        for note in notes
    ]
    return sorted(found, key=lambda entry: entry.at)[::-1]


def _made(invoice: Invoice) -> list[TimelineEntry]:
    if invoice.issued_at is None or invoice.due_at is None:
        return [TimelineEntry(invoice.created_at, _by(invoice.run, "made it as a draft", "It was made as a draft."))]
    due = moment_text(invoice.due_at).rpartition(" ")[0]
    issued = f"issued as {invoice.number} over {_worth(invoice.total, invoice.currency)}, due on {due}"
    if invoice.issued_at - invoice.created_at <= _AT_ONCE:
        words = issued.replace("issued as", "issued it as", 1)
        return [TimelineEntry(invoice.issued_at, _by(invoice.run, words, f"It was {issued}."))]
    return [
        TimelineEntry(invoice.created_at, _by(invoice.run, "made it as a draft", "It was made as a draft.")),
        TimelineEntry(invoice.issued_at, format_html("It was {}.", issued)),
    ]


def _by(run: BillingRun | None, did: str, otherwise: str) -> SafeString:
    """What the run did, with a link to it; `otherwise` where there was none."""
    if run is None:
        return format_html("{}", otherwise)
    name = link(run, f"r{str(run)[1:]}")
    return format_html("The {}, started by {}, {}.", name, run.started_by or "the schedule", did)


def _charge(payment: Payment) -> TimelineEntry:
    worth, app = _worth(payment.amount, payment.currency), payment.app.name
    if payment.status == PaymentStatus.SUCCEEDED:
        return TimelineEntry(payment.received_at or payment.created_at, format_html("{} collected {}.", app, worth))
    said = f": {payment.failure_message.rstrip('.')}" if payment.failure_message else ""
    became = _BECAME[PaymentStatus(payment.status)]
    return TimelineEntry(payment.created_at, format_html("A charge of {} through {} {}{}.", worth, app, became, said))


def _failed_refund(refund: Refund, app: str) -> TimelineEntry:
    """Who asked for it is in the audit trail; that it failed came later."""
    said = f": {refund.failure_message.rstrip('.')}" if refund.failure_message else ""
    worth = _worth(refund.amount, refund.currency)
    return TimelineEntry(refund.updated_at, format_html("The refund of {} through {} failed{}.", worth, app, said))


def _worth(amount: Decimal, currency: str) -> str:
    return f"{amount_text(amount, currency)} {currency}"
