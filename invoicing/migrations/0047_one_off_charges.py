"""Charges by hand: rights of their own, and whoever is collected by other terms is looked at again for them, too."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION invoicing_look_again(affected uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH early AS MATERIALIZED (
        SELECT due.id, bills.at
        FROM invoicing_billingdue due JOIN (
            SELECT customer_id, currency, min(falls_due) AS at
            FROM (
                SELECT customer_id, currency, next_billing_at AS falls_due
                FROM subscriptions_subscription
                WHERE customer_id = ANY(affected) AND next_billing_at IS NOT NULL
                UNION ALL
                SELECT gathering.customer_id, line.currency, line.invoice_at
                FROM invoicing_invoice gathering JOIN invoicing_invoiceline line ON line.invoice_id = gathering.id
                WHERE gathering.customer_id = ANY(affected) AND gathering.status = 'gathering'
                    AND line.managed_by = 'manual' AND line.deleted_at IS NULL
            ) what
            GROUP BY customer_id, currency
        ) bills ON bills.customer_id = due.customer_id AND bills.currency = due.currency
        WHERE due.due_at > bills.at
        ORDER BY due.customer_id, due.currency FOR UPDATE OF due
    )
    UPDATE invoicing_billingdue due SET due_at = early.at FROM early WHERE due.id = early.id;
END $$;
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION invoicing_look_again(affected uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH early AS MATERIALIZED (
        SELECT due.id, bills.at
        FROM invoicing_billingdue due JOIN (
            SELECT customer_id, currency, min(next_billing_at) AS at
            FROM subscriptions_subscription
            WHERE customer_id = ANY(affected) AND next_billing_at IS NOT NULL
            GROUP BY customer_id, currency
        ) bills ON bills.customer_id = due.customer_id AND bills.currency = due.currency
        WHERE due.due_at > bills.at
        ORDER BY due.customer_id, due.currency FOR UPDATE OF due
    )
    UPDATE invoicing_billingdue due SET due_at = early.at FROM early WHERE due.id = early.id;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0046_find_replacements")]

    operations = [
        migrations.AlterModelOptions(
            name="invoice",
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("approve_invoice", "Can approve drafts"),
                    ("advance_invoice", "Can advance drafts"),
                    ("charge_once_invoice", "Can add one-off charges"),
                    ("edit_draft_invoice", "Can edit drafts"),
                    ("invoice_now_invoice", "Can invoice before the time what waits"),
                    ("void_invoice", "Can void invoices"),
                    ("collect_invoice", "Can retry the collection of invoices"),
                    ("reconcile_payment", "Can have providers asked for unknown outcomes"),
                    ("record_payment", "Can record payments"),
                    ("delete_draft_invoice", "Can delete drafts"),
                    ("mark_uncollectible_invoice", "Can mark invoices uncollectible"),
                    ("write_off_invoice", "Can write off invoices"),
                    ("refund_payment", "Can refund payments"),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
