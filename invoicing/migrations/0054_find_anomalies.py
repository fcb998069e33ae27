"""The queue of drafts that wait for approval is read off an index of its own, in its order."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("invoicing", "0053_anomalies_of_drafts")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("status__in", ["draft.waiting_auto_approval", "draft.manual_approval_needed"])),
                fields=["-anomaly_rank", "id"],
                include=("status",),
                name="invoice_review",
            ),
        ),
    ]
