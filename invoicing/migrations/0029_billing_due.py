"""A customer is due by a row of their own, one for each currency, and no longer by their subscriptions."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0008_overrides_and_pins"),
        ("invoicing", "0028_lists_at_size"),
    ]

    operations = [
        migrations.CreateModel(
            name="BillingDue",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("currency", models.CharField(max_length=3)),
                ("due_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="billing_due",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "id"],
                "indexes": [models.Index(fields=["due_at"], name="billing_due_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "currency"), name="due_once_a_currency"),
                ],
            },
        ),
    ]
