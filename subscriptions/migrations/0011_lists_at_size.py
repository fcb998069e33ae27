"""Each order that the list of subscriptions offers has an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("subscriptions", "0010_untouched_periods_of_coupons"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(fields=["-active_from", "-id"], name="subscription_by_start"),
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(fields=["-active_to", "-id"], name="subscription_by_end"),
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(fields=["-created_at", "-id"], name="subscription_by_time"),
        ),
    ]
