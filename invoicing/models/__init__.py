"""The models of the invoicing package."""

from invoicing.models.balance import BalanceEntry
from invoicing.models.bank_statement import BankStatement, BankStatementRow
from invoicing.models.credit_note import CreditNote, CreditNoteLine
from invoicing.models.due import BillingDue
from invoicing.models.invoice import DraftInReview, Invoice
from invoicing.models.late_usage import LateUsageCase, LateUsageLook
from invoicing.models.line import BilledWindow, InvoiceDetailedLine, InvoiceLine
from invoicing.models.line_edit import LineEdit
from invoicing.models.migration import MigrationItem, MigrationShard, ProfileMigration
from invoicing.models.news import InvoiceNews
from invoicing.models.payment import Payment, Refund
from invoicing.models.run import BillingRun, ParkedCustomer, RunCustomer, RunShard
from invoicing.models.series import NumberSeries
from invoicing.models.stripe import StripeAccount, StripeEvent
from invoicing.models.tax_cut import TaxCut
from invoicing.models.tax_rate import TaxRate
from invoicing.models.write_off import WriteOff

__all__ = [
    "BalanceEntry",
    "BankStatement",
    "BankStatementRow",
    "BilledWindow",
    "BillingDue",
    "BillingRun",
    "CreditNote",
    "CreditNoteLine",
    "DraftInReview",
    "Invoice",
    "InvoiceDetailedLine",
    "InvoiceLine",
    "InvoiceNews",
    "LateUsageCase",
    "LateUsageLook",
    "LineEdit",
    "MigrationItem",
    "MigrationShard",
    "NumberSeries",
    "ParkedCustomer",
    "Payment",
    "ProfileMigration",
    "Refund",
    "RunCustomer",
    "RunShard",
    "StripeAccount",
    "StripeEvent",
    "TaxCut",
    "TaxRate",
    "WriteOff",
]
