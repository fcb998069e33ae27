"""An index of the payments without a final outcome. Built while others write."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("invoicing", "0015_find_payments"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "unknown", "action_required"])),
                fields=["-id"],
                name="payment_open",
            ),
        ),
    ]
