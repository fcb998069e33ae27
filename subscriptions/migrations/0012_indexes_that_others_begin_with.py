"""No index that another one begins with, nor of what nobody is looked for by: a close writes each of them."""

from typing import Any

import django.db.models.deletion
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models


def without_index(
    model: str, name: str, index: str, field: "models.Field[Any, Any]"
) -> migrations.SeparateDatabaseAndState:
    """Drops the index of a foreign key without a long lock. The field's own operation would check every row anew."""
    table, column = f"subscriptions_{model}", f"{name}_id"
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
        ("subscriptions", "0011_lists_at_size"),
    ]

    operations = [
        # Who is due, customers say (`invoicing.models.BillingDue`).
        RemoveIndexConcurrently(model_name="subscription", name="subscription_due"),
        without_index(
            "subscription",
            "customer",
            "subscriptions_subscription_customer_id_a993be05",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="customers.customer",
            ),
        ),
    ]
