"""Where a running period of an item's usage was cut. PostgreSQL adds the column without rewriting the table."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0008_one_subscription_per_feature"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscriptionitem",
            name="usage_splits",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(), blank=True, default=list, size=None
            ),
        ),
    ]
