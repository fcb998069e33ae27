"""Whose a subject was is found by an index of those that customers have given up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("customers", "0010_late_usage")]

    operations = [
        AddIndexConcurrently(
            model_name="usagesubject",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)), fields=["key"], name="subject_of_the_past"
            ),
        ),
    ]
