"""The models of the invoicing floor."""

from invoicing.models.balance import BalanceEntry
from invoicing.models.credit_note import CreditNote, CreditNoteLine
from invoicing.models.invoice import Invoice
from invoicing.models.line import BilledWindow, InvoiceDetailedLine, InvoiceLine
from invoicing.models.payment import Payment
from invoicing.models.run import BillingRun, ParkedCustomer, RunCustomer, RunShard
from invoicing.models.series import NumberSeries
from invoicing.models.tax_rate import TaxRate

__all__ = [
    "BalanceEntry",
    "BilledWindow",
    "BillingRun",
    "CreditNote",
    "CreditNoteLine",
    "Invoice",
    "InvoiceDetailedLine",
    "InvoiceLine",
    "NumberSeries",
    "ParkedCustomer",
    "Payment",
    "RunCustomer",
    "RunShard",
    "TaxRate",
]
