"""Items know where running periods of their usage were billed in parts. A column with a default: no rewrite."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0014_kept_usage")]

    operations = [
        migrations.AddField(
            model_name="subscriptionitem",
            name="progressive_splits",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(), blank=True, db_default=[], default=list, size=None
            ),
        ),
    ]
