"""Events are found by the subject that they are about."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifications", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["subject", "-created_at"], name="webhook_event_of_subject"),
        ),
    ]
