"""Crediting an issued invoice is a verb of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0047_one_off_charges")]

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
                    ("credit_invoice", "Can credit invoices"),
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
    ]
