"""The end of dunning is looked for among those that it can have ended for, not among everything overdue."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("invoicing", "0030_due_by_every_door"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(
                    ("due__gt", 0),
                    ("next_collection_at__isnull", True),
                    ("status", "overdue"),
                    ("workflow_snapshot__values__uncollectible_after_dunning", True),
                ),
                fields=["due_at"],
                name="invoice_dunning_ended",
            ),
        ),
    ]
