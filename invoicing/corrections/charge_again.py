"""Lets charges by hand be billed again where the invoice that they were on counts no more (billing rules 6)."""

import uuid
from collections.abc import Callable
from datetime import datetime

from core.ids import new_id
from core.money import ZERO
from invoicing.choices import LineKind, LineManagedBy
from invoicing.lifecycle.gathering_invoice import gathering_invoice
from invoicing.lifecycle.wake import wake
from invoicing.models import Invoice, InvoiceLine
from invoicing.money_columns import TOTALS


def charge_again(invoice: Invoice, *, now: datetime, which: Callable[[uuid.UUID], bool] = lambda line_id: True) -> int:
    """Put what was charged by hand on `invoice` back on its customer's gathering invoice, due as before: copies, since
    the lines themselves stay where they were billed. `which` chooses among them by id. Returns how many.

    In the caller's transaction, which holds the customer's lock, while the lines still stand.
    """
    by_hand = invoice.lines.filter(deleted_at=None, managed_by=LineManagedBy.MANUAL, item=None, kind=LineKind.FLAT)
    charged = [line for line in by_hand.order_by("position", "id") if which(line.pk)]
    if not charged:
        return 0
    gathering, _ = gathering_invoice(invoice.customer_id, invoice.currency)
    InvoiceLine.objects.bulk_create(_waiting_again(line, gathering) for line in charged)
    wake(invoice.customer_id, invoice.currency, now)
    return len(charged)


def _waiting_again(line: InvoiceLine, gathering: Invoice) -> InvoiceLine:
    return InvoiceLine(
        id=new_id(),
        invoice=gathering,
        kind=line.kind,
        managed_by=line.managed_by,
        name=line.name,
        description=line.description,
        metadata=line.metadata,
        currency=line.currency,
        period_start=line.period_start,
        period_end=line.period_end,
        invoice_at=line.invoice_at,
        price=line.price,
        discounts=line.discounts,
        tax_config=line.tax_config,
        quantity=line.quantity,
        **dict.fromkeys(TOTALS, ZERO),
    )
