"""Which foreign keys of what a close writes are checked once a statement (`core.references`).

The lines' and windows' own invoice is not among them: a close writes it last, because nothing may join an invoice that
is issued. PostgreSQL checks it when the transaction ends.
"""

from core.references import REFUSE_OTHER_ID, Reference, guards

REFERENCES = (
    Reference("invoicing_runcustomer", "run_id", "invoicing_billingrun"),
    Reference("invoicing_runcustomer", "shard_id", "invoicing_runshard"),
    Reference("invoicing_runcustomer", "customer_id", "customers_customer"),
    Reference("invoicing_invoice", "customer_id", "customers_customer"),
    Reference("invoicing_invoice", "run_id", "invoicing_billingrun"),
    Reference("invoicing_invoice", "series_id", "invoicing_numberseries"),
    Reference("invoicing_invoice", "supplier_id", "customers_supplier"),
    Reference("invoicing_invoice", "app_id", "customers_billingapp"),
    Reference("invoicing_invoice", "profile_id", "customers_billingprofile"),
    Reference("invoicing_invoiceline", "subscription_id", "subscriptions_subscription"),
    Reference("invoicing_invoiceline", "item_id", "subscriptions_subscriptionitem"),
    Reference("invoicing_invoiceline", "revision_id", "subscriptions_itemrevision"),
    Reference("invoicing_invoicedetailedline", "line_id", "invoicing_invoiceline"),
    Reference("invoicing_billedwindow", "item_id", "subscriptions_subscriptionitem"),
    Reference("invoicing_payment", "invoice_id", "invoicing_invoice"),
    Reference("invoicing_payment", "app_id", "customers_billingapp"),
)

_functions, TRIGGERS = guards(REFERENCES)
FUNCTIONS = (REFUSE_OTHER_ID, *_functions)
