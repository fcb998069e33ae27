"""Whoever is billed once their spending reaches a threshold is known to have used something."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0013_dropped_usage")]

    operations = [
        migrations.CreateModel(
            name="SpendingChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("customer_id", models.UUIDField(db_index=True)),
            ],
        ),
    ]
