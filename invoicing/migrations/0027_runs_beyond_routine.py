"""The list of runs begins with those that are more than one customer's period, among a million that are not."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("invoicing", "0026_windows_without_their_line")]

    operations = [
        AddIndexConcurrently(
            model_name="billingrun",
            index=models.Index(
                fields=["-created_at", "-id"],
                name="run_not_routine_by_time",
                condition=models.Q(
                    ("customer_count__gt", 1),
                    ("trigger__in", ("staff", "api")),
                    models.Q(("status", "done"), _negated=True),
                    _connector="OR",
                ),
            ),
        ),
    ]
