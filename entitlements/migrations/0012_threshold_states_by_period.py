"""What rules have seen of usage periods is found by when these began, so that old ones are forgotten."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("entitlements", "0011_entitlement_due")]

    operations = [
        AddIndexConcurrently(
            model_name="thresholdstate",
            index=models.Index(fields=["period_start", "id"], name="threshold_state_by_period"),
        ),
    ]
