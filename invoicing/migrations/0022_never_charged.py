"""An index of the charges whose amount could never be charged. Built while others write."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("invoicing", "0021_collective_transfers"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                condition=models.Q(
                    ("failure_code__in", ["amount_not_chargeable", "amount_too_large", "amount_too_small"])
                ),
                fields=["invoice"],
                name="payment_never_charged",
            ),
        ),
    ]
