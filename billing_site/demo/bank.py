"""The newest bank statement of the demo company: imported by the clerk, and waiting to be reviewed."""

import csv
import io
from decimal import Decimal

from core import clock
from core.audit.actors import current_actor
from core.money import round_money
from customers.choices import AppType
from customers.models import BillingApp
from invoicing.bank_statements.import_statement import import_statement
from invoicing.bank_statements.read_csv import OPTIONAL, REQUIRED
from invoicing.choices import OPEN_STATUSES
from invoicing.models import Invoice

_TOO_MUCH = Decimal(50)


def import_newest_statement() -> int:
    """Rows that match, that pay half, too much or without a number, and two that are no receipts of ours.

    Returns how many payments were booked: none, they wait for the review.
    """
    app = BillingApp.objects.get(type=AppType.BANK_TRANSFER)
    unpaid = Invoice.objects.filter(status__in=OPEN_STATUSES, app=app, due__gt=100).select_related("customer")
    # The newest first: those are what customers pay these days.
    expected = list(unpaid.order_by("-issued_at", "-id")[:5])
    today = f"{clock.now():%Y-%m-%d}"
    rows = [
        (today, f"{amount:f}", invoice.currency, reference, invoice.customer.name, f"TX-{9001 + number}")
        for number, (invoice, amount, reference) in enumerate(
            (invoice, *_as_paid(invoice, way)) for way, invoice in enumerate(expected)
        )
    ]
    rows.append((today, "84.00", "USD", "Return of a deposit", "Harbor Office Supplies", "TX-9098"))
    rows.append((today, "-12.50", "USD", "Account fees", "", "TX-9099"))
    text = io.StringIO()
    csv.writer(text).writerows([(*REQUIRED, *OPTIONAL), *rows])
    import_statement(
        app=app,
        file_name=f"statement-{today}.csv",
        content=text.getvalue().encode(),
        imported_by=current_actor().label,
    )
    return 0


def _as_paid(invoice: Invoice, way: int) -> tuple[Decimal, str]:
    """How much of it a customer pays, and what they write with it: in full, half, too much, without its number."""
    if way == 1:
        return round_money(invoice.due / 2, invoice.currency), f"First half of {invoice.number}"
    if way == 2:
        return invoice.due + _TOO_MUCH, f"{invoice.number} and thank you"
    if way == 3:
        return invoice.due, "Our invoice of this month"
    return invoice.due, f"Invoice {invoice.number}"
