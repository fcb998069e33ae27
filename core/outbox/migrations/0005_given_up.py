"""What was given up is found among what was delivered."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is made without stopping those who write meanwhile.
    atomic = False

    dependencies = [("outbox", "0004_lanes")]

    operations = [
        AddIndexConcurrently(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(("delivered_at__isnull", True), ("due_at__isnull", True)),
                fields=["-id"],
                name="outbox_given_up",
            ),
        ),
    ]
