"""What one person alone takes off a customer's tax rate is remembered, so that steps of a year add up. A new table."""

import django.db.models.deletion
from django.db import migrations, models

import core.clock
import core.db
import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0009_lists_at_size"),
        ("invoicing", "0039_in_read_committed"),
    ]

    operations = [
        migrations.CreateModel(
            name="TaxCut",
            fields=[
                ("id", core.db.ULIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("country", models.CharField(blank=True, max_length=2)),
                ("state", models.CharField(blank=True, max_length=100)),
                ("tax_code", models.CharField(blank=True, max_length=64)),
                ("code_before", models.CharField(blank=True, max_length=64)),
                ("code_after", models.CharField(blank=True, max_length=64)),
                ("at", models.DateTimeField(default=core.clock.real_now)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="tax_cuts",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("customer", "country", "state", "tax_code", "code_before", "code_after"),
                        name="one_tax_cut_from_the_same_terms",
                    )
                ],
            },
        ),
    ]
