"""The models of the invoicing floor."""

from invoicing.models.invoice import Invoice
from invoicing.models.line import BilledWindow, InvoiceDetailedLine, InvoiceLine
from invoicing.models.payment import Payment
from invoicing.models.run import BillingRun, ParkedCustomer, RunCustomer, RunShard
from invoicing.models.series import NumberSeries

__all__ = [
    "BilledWindow",
    "BillingRun",
    "Invoice",
    "InvoiceDetailedLine",
    "InvoiceLine",
    "NumberSeries",
    "ParkedCustomer",
    "Payment",
    "RunCustomer",
    "RunShard",
]
