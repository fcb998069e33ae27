"""Events are found by the feature that they are about."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifications", "0002_events_of_subjects")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["feature_id", "-created_at"], name="webhook_event_of_feature"),
        ),
    ]
