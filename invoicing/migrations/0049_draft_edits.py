"""What staff set by hand on a line of a draft. A new table."""

import django.db.models.deletion
from django.db import migrations, models

import core.clock
import core.db
import core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0048_credit_verb"),
    ]

    operations = [
        migrations.CreateModel(
            name="LineEdit",
            fields=[
                ("id", core.db.ULIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=core.clock.now, editable=False)),
                ("updated_at", core.db.UpdatedAtField(default=core.clock.now, editable=False)),
                ("quantity", core.db.AmountField(blank=True, decimal_places=12, max_digits=30, null=True)),
                ("discounts", models.JSONField(blank=True, null=True)),
                ("author", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=1000)),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="edit", to="invoicing.invoiceline"
                    ),
                ),
            ],
            options={
                "ordering": ["line"],
            },
        ),
    ]
