"""No index that another one begins with, and none of what most lines lack: a close writes each of them for each row."""

from typing import Any

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def without_index(
    model: str, name: str, index: str, field: "models.Field[Any, Any]"
) -> migrations.SeparateDatabaseAndState:
    """Drops the index of a foreign key without a long lock. The field's own operation would check every row anew."""
    table, column = f"invoicing_{model}", f"{name}_id"
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"',
                f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON "{table}" ("{column}")',
            )
        ],
        state_operations=[migrations.AlterField(model_name=model, name=name, field=field)],
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("customers", "0009_lists_at_size"),
        ("invoicing", "0032_due_by_their_rhythm"),
        ("subscriptions", "0011_lists_at_size"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("parent__isnull", False)), fields=["parent"], name="parts_of_a_line"
            ),
        ),
        AddIndexConcurrently(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("amends__isnull", False)), fields=["amends"], name="amendments_of_a_line"
            ),
        ),
        without_index(
            "invoiceline",
            "parent",
            "invoicing_invoiceline_parent_id_3335b2c6",
            models.ForeignKey(
                blank=True,
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parts",
                to="invoicing.invoiceline",
            ),
        ),
        without_index(
            "invoiceline",
            "amends",
            "invoicing_invoiceline_amends_id_252d4955",
            models.ForeignKey(
                blank=True,
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="amendments",
                to="invoicing.invoiceline",
            ),
        ),
        without_index(
            "invoice",
            "customer",
            "invoicing_invoice_customer_id_c1b6ead9",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="customers.customer",
            ),
        ),
        without_index(
            "invoice",
            "run",
            "invoicing_invoice_run_id_857ef720",
            models.ForeignKey(
                blank=True,
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="invoices",
                to="invoicing.billingrun",
            ),
        ),
        without_index(
            "invoice",
            "series",
            "invoicing_invoice_series_id_c401e3d0",
            models.ForeignKey(
                blank=True,
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="invoicing.numberseries",
            ),
        ),
        without_index(
            "payment",
            "invoice",
            "invoicing_payment_invoice_id_745a7962",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payments",
                to="invoicing.invoice",
            ),
        ),
        without_index(
            "runcustomer",
            "run",
            "invoicing_runcustomer_run_id_47908f1a",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="customers",
                to="invoicing.billingrun",
            ),
        ),
    ]
